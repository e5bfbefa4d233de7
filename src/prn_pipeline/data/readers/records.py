"""The interface of readers, and the records that they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.file_facts import ReadSample
from prn_pipeline.data.sample_format import Pixels


@dataclass(frozen=True)
class Record:
    """One sample before anything is decoded.

    Paths are relative to the data root; None if the sample has no such file. `more` holds the other files of a kind,
    {"mask": (...), "ignore region": (...)}, where the settings unite several. `split` is train, val or test if the data
    set defines it, else None. `group` is the sample's own id unless the settings define groups.
    """

    sample_id: str
    image_path: Path | None
    mask_path: Path | None
    ignore_path: Path | None
    split: str | None
    group: str
    more: Mapping[str, tuple[Path, ...]] = field(default_factory=dict, compare=False)


class Reader(Protocol):
    """A source of samples; its methods are called from several threads at once."""

    def records(self) -> list[Record]:
        """All samples, sorted by sample_id."""
        ...

    def image(self, record: Record) -> Pixels:
        """uint8 (H, W, 3), RGB; or uint16 (H, W, bands)."""
        ...

    def scaled(self, white: int | None) -> Reader:
        """A reader of the same samples whose wide pictures are scaled by `white`; None changes nothing."""
        ...

    def mask(self, record: Record) -> NDArray[np.uint8]:
        """uint8 (H, W): 0 background, 1 foreground, or class ids; 255 is ignored."""
        ...

    def examine(self, record: Record) -> ReadSample:
        """Image and mask, and what their files hold; wide pictures are not scaled: uint16 (H, W, 1 or 3)."""
        ...
