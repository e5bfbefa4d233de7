"""What a report is made of, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.map_statistics import MapStatistics

GalleryKind = Literal["best", "median", "worst"]
RUN_KEYS = ("dataset", "base_model", "refiner", "seed")


@dataclass(frozen=True)
class GalleryRow:
    """One test image as the base model and the refiner saw it.

    Attributes:
        sample_id: Any text; it is escaped where it is shown.
        kind: Why the image was chosen: its gain is among the best, the median or the worst.
        image: uint8 (H, W, 3).
        base_probability: float (H, W) in [0, 1]; NaN is drawn grey.
        base_mask: bool or 0/1 (H, W).
        prn_probability: float (H, W) in [0, 1]; NaN is drawn grey.
        prn_mask: bool or 0/1 (H, W).
        mask: uint8 (H, W), the truth: 0 background, 1 foreground, 255 ignore.
        iou_base: IoU of `base_mask`, NaN where undefined.
        iou_prn: IoU of `prn_mask`, NaN where undefined.

    Raises:
        UserError: When a kind, a shape or a mask value is not one of the above.
    """

    sample_id: str
    kind: GalleryKind
    image: np.ndarray
    base_probability: np.ndarray
    base_mask: np.ndarray
    prn_probability: np.ndarray
    prn_mask: np.ndarray
    mask: np.ndarray
    iou_base: float
    iou_prn: float

    def __post_init__(self) -> None:
        where = f"gallery row '{self.sample_id}'"
        if self.kind not in get_args(GalleryKind):
            raise UserError(f"{where}: kind is {self.kind!r}, expected one of {', '.join(get_args(GalleryKind))}.")
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise UserError(
                f"{where}: image is {self.image.dtype} {self.image.shape}, expected uint8 (H, W, 3); "
                "convert it to 8-bit RGB."
            )
        for name in ("base_probability", "base_mask", "prn_probability", "prn_mask", "mask"):
            shape = getattr(self, name).shape
            if shape != self.image.shape[:2]:
                raise UserError(
                    f"{where}: {name} is {shape}, expected {self.image.shape[:2]} like its image; "
                    "resize it to the image first."
                )
        strange = np.setdiff1d(self.mask, (0, 1, IGNORE))
        if strange.size:
            raise UserError(
                f"{where}: mask holds {strange[:5].tolist()}, expected only 0, 1 and {IGNORE} (ignore); "
                "map other values to these first."
            )


@dataclass(frozen=True)
class ReportInputs:
    """Everything one report shows. Empty pieces leave a note in the page instead of a figure.

    Attributes:
        run: dataset, base_model, refiner, seed.
        scores: The scores JSON of the run; a method may carry "iou_micro_ci95": [low, high].
        history: Training stage -> epoch, train_loss, val_loss, val_iou_micro, learning_rate, seconds; a row an epoch.
        thresholds: float32 (N, g, g), the optimal threshold of every patch of the pseudo-labels.
        maps: How the test maps err before and after: "base" and "prn", or none.
        per_image: A row a test image, with sample_id, iou_base, iou_prn.
        gallery: Picture rows, in the order to show within a kind.
        parameters: Settings, nested as deep as they are.
        provenance: Commit, data identity, versions, date: label -> text.

    Raises:
        UserError: When the run lacks one of its four names.
    """

    run: Mapping[str, Any]
    scores: Mapping[str, Any]
    history: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    thresholds: np.ndarray = field(default_factory=lambda: np.empty((0, 1, 1), np.float32))
    maps: Mapping[str, MapStatistics] = field(default_factory=dict)
    per_image: pd.DataFrame = field(default_factory=pd.DataFrame)
    gallery: Sequence[GalleryRow] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unnamed = [name for name in RUN_KEYS if name not in self.run]
        if unnamed:
            raise UserError(f"report: run has {sorted(self.run)}, expected {list(RUN_KEYS)}; add {', '.join(unnamed)}.")


@dataclass(frozen=True)
class Report:
    """A finished report.

    Attributes:
        html: One self-contained page: no scripts, no outside resources.
        figures: Name -> PNG bytes, the figures of the page in their light version, and a strip a gallery row.
    """

    html: str
    figures: dict[str, bytes]
