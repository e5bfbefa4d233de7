"""Samples that are drawn and not read."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.settings import SyntheticSettings
from prn_pipeline.data.synthetic.scene import draw_scene


class SyntheticReader:
    """The embedded data set; needs no files."""

    def __init__(self, settings: SyntheticSettings) -> None:
        self.settings = settings

    def records(self) -> list[Record]:
        """One record a scene, `scene-0000` onwards."""
        digits = max(4, len(str(self.settings.count - 1)))
        ids = [f"scene-{index:0{digits}d}" for index in range(self.settings.count)]
        return [Record(sample_id, None, None, None, None, sample_id) for sample_id in ids]

    def image(self, record: Record) -> NDArray[np.uint8]:
        """uint8 (S, S, 3), RGB."""
        return self._scene(record)[0]

    def mask(self, record: Record) -> NDArray[np.uint8]:
        """uint8 (S, S) of 0 and 1."""
        return self._scene(record)[1]

    def _scene(self, record: Record) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return _drawn(int(record.sample_id.removeprefix("scene-")), self.settings)


@lru_cache(maxsize=256)  # an image and its mask are asked for one after the other, and again to be stored
def _drawn(index: int, settings: SyntheticSettings) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return draw_scene(index, settings)
