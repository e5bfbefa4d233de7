"""Evaluation of predictors on test images with true masks: whole images at native size, as a user would pass them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.records import Reader
from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.metrics.counts import TruthCounter
from prn_pipeline.segmentation.map_files import MapFiles
from prn_pipeline.segmentation.map_import import read_maps
from prn_pipeline.segmentation.map_stack import FurtherFolders, read_further
from prn_pipeline.segmentation.protocol import DatasetPlace
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.predictor import Predictor


@dataclass(frozen=True)
class TestImages:
    """Test images with true masks, read on demand.

    Attributes:
        manifest: one row per image of split test: sample_id, sha256, native_height, native_width, foreground, group.
        reader: reader of their data set.
        place: location of their data set, for predictors that refine maps of another program.
    """

    __test__ = False  # keeps pytest from collecting the class

    manifest: pd.DataFrame
    reader: Reader
    place: DatasetPlace | None = None

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def digest(self) -> str:
        """sha256 (hex) of the images, their masks and groups, in any order."""
        columns = [name for name in ("sha256", "mask_sha256", "group") if name in self.manifest]
        rows = sorted(map(str, self.manifest[columns].itertuples(index=False, name=None)))
        return sha256("\n".join(rows).encode()).hexdigest()

    def without(self, seen: set[str]) -> TestImages:
        """The test images whose sha256 is not in `seen`."""
        return TestImages(self.manifest[~self.manifest["sha256"].isin(seen)], self.reader, self.place)

    def pairs(self, predictor: Predictor) -> Iterator[tuple[Item, NDArray[np.uint8]]]:
        """Each image as the predictor takes it, and its mask, uint8 (H,W).

        A predictor of maps gets those that its own settings name, which need not be the maps of another predictor.

        Raises:
            UserError: the data set has changed since ingestion, or the predictor's maps are missing.
        """
        maps, further = self._folders(predictor)
        reader = self.reader.scaled(predictor.settings.white)  # a predictor of other data may have another scale
        records = {record.sample_id: record for record in reader.records()}
        for row in self.manifest.itertuples():
            name, native = str(row.sample_id), (int(row.native_height), int(row.native_width))
            image = reader.image(records[name]) if name in records else None
            if image is None or image.shape[:2] != native:
                raise UserError(f"sample {name} has changed since ingestion: run the pipeline ingestion again")
            logits = None if maps is None else read_maps(maps, name, native, predictor.classes).numpy()
            item = Item(image, logits, read_further(further, name, native, predictor.classes))
            yield item, reader.mask(records[name])

    def _folders(self, predictor: Predictor) -> tuple[MapFolder | None, FurtherFolders]:
        """The predictor's maps of this data set, and the further maps that its refiner reads; (None, {}) if it reads
        images alone."""
        if self.place is None:
            return None, {}
        base = predictor.base
        if not isinstance(base, MapFiles):
            return base.map_folder(self.place), {}
        stack = base.map_stack(self.place)
        return base.map_folder(self.place), {array: stack.further[array] for array in predictor.further}


def count_pixels(predictor: Predictor, images: TestImages) -> NDArray[np.int64]:
    """Pixel counts of every image, int64 (n, C, 6), with columns `metrics.COLUMNS`; C = 1 for foreground."""
    masks: list[NDArray[np.uint8]] = []

    def items() -> Iterator[Item]:
        for item, mask in images.pairs(predictor):
            masks.append(mask)
            yield item

    counted = []
    for examined in predictor.examine(items()):
        mask, predicted = masks.pop(0), examined.predicted.mask
        ids = np.arange(predictor.classes)[:, None, None] if predictor.classes > 1 else np.ones((1, 1, 1), np.int64)
        truth = np.where(mask == IGNORE, np.uint8(IGNORE), (mask == ids).astype(np.uint8))
        counted.append(TruthCounter(truth).count(predicted == ids))
    return np.stack(counted)
