"""Samples from image files and annotation files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage
from prn_pipeline.data.readers.annotations.annotated_samples import annotated_samples
from prn_pipeline.data.readers.annotations.drawing import draw_mask
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_facts import MaskFacts, mask_facts
from prn_pipeline.data.readers.folder_reader import FolderReader
from prn_pipeline.data.readers.orientation import UPRIGHT, upright
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.readers.sample_files import Files
from prn_pipeline.data.readers.stored_size import stored_size
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError


class AnnotationReader(FolderReader):
    """Reads the data set `name` below `data_root`, whose settings have `annotations`."""

    _decoded = ("image",)

    def __init__(self, name: str, settings: DatasetSettings, data_root: Path) -> None:
        super().__init__(name, settings, data_root)
        self._said: dict[Path, AnnotatedImage] = {}

    def records(self) -> list[Record]:
        """As of every folder; the annotations are read again."""
        self._said = {}
        return super().records()

    def _pair(self, folder: Path, settings: DatasetSettings, account: FileAccount) -> Files:
        return annotated_samples(folder, settings, account, self._said)

    def _mask(self, record: Record) -> tuple[NDArray[np.uint8], MaskFacts]:
        assert record.image_path is not None
        path = self.data_root / record.image_path
        if path not in self._said:
            self.records()
        mask, orientation = self._drawn(path, self._said[path])
        return mask, mask_facts(mask, orientation)

    def _drawn(self, path: Path, image: AnnotatedImage) -> tuple[NDArray[np.uint8], int]:
        """The mask, upright, and the EXIF orientation that had to be applied to it.

        Programs show pictures upright and shapes are drawn on that. Where the stated size is that of the stored picture
        alone, they were drawn on this, and are turned with it.
        """
        stored = stored_size(path, self.settings.read_limits)
        shown = stored.upright()
        if image.size in (None, shown):
            return draw_mask(image, *shown, self.settings), UPRIGHT
        if image.size == (stored.height, stored.width):
            mask = draw_mask(image, *image.size, self.settings)
            return np.ascontiguousarray(upright(mask, stored.orientation)).astype(np.uint8), stored.orientation
        assert image.size is not None
        raise UserError(
            f"{image.source}: {image.names[0]} is {image.size[0]} x {image.size[1]} pixels there (height x width), but"
            f" {path} is {shown[0]} x {shown[1]}. Use the image that was annotated, or export the annotations again."
        )
