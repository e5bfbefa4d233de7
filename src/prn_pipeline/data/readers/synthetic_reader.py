"""Samples of the embedded data set, which are drawn instead of read."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.file_facts import ReadSample, image_facts, mask_facts
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.settings import DatasetSettings, SyntheticSettings
from prn_pipeline.data.synthetic.scene import draw_scene


class SyntheticReader:
    """The embedded data set `name`; needs no files below `data_root`."""

    def __init__(self, name: str, settings: DatasetSettings, data_root: Path) -> None:
        self.settings = settings.synthetic or SyntheticSettings()

    def records(self) -> list[Record]:
        """One record per scene, from `scene-0000`."""
        digits = max(4, len(str(self.settings.count - 1)))
        ids = [f"scene-{index:0{digits}d}" for index in range(self.settings.count)]
        return [Record(sample_id, None, None, None, None, sample_id) for sample_id in ids]

    def image(self, record: Record) -> NDArray[np.uint8]:
        """uint8 (S, S, 3), RGB."""
        return self._scene(record)[0]

    def scaled(self, white: int | None) -> SyntheticReader:
        """The reader itself: scenes have 8 bits."""
        return self

    def mask(self, record: Record) -> NDArray[np.uint8]:
        """uint8 (S, S) of 0 and 1."""
        return self._scene(record)[1]

    def examine(self, record: Record) -> ReadSample:
        """Image and mask, and what a file of them would hold."""
        image, mask = self._scene(record)
        return ReadSample(image, mask, image_facts(image, "8-bit RGB"), mask_facts(mask))

    def _scene(self, record: Record) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        return _drawn(int(record.sample_id.removeprefix("scene-")), self.settings)


@lru_cache(maxsize=256)  # `image` and `mask` draw the same scene, and ingestion reads each sample twice
def _drawn(index: int, settings: SyntheticSettings) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return draw_scene(index, settings)
