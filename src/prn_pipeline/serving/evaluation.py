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
from prn_pipeline.segmentation.map_import import read_maps
from prn_pipeline.serving.predictor import Item, Predictor


@dataclass(frozen=True)
class TestImages:
    """Test images with true masks, read on demand.

    Attributes:
        manifest: one row per image of split test: sample_id, sha256, native_height, native_width, foreground, group.
        reader: reader of their data set.
        maps: maps of another program, for predictors that refine these.
    """

    __test__ = False  # keeps pytest from collecting the class

    manifest: pd.DataFrame
    reader: Reader
    maps: MapFolder | None = None

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
        return TestImages(self.manifest[~self.manifest["sha256"].isin(seen)], self.reader, self.maps)

    def pairs(self, classes: int, white: int | None = None) -> Iterator[tuple[Item, NDArray[np.uint8]]]:
        """Each image and its mask, uint8 (H,W).

        Args:
            classes: maps per image.
            white: value of 16-bit pictures that becomes 255; None: that of the data set.

        Raises:
            UserError: the data set has changed since ingestion.
        """
        reader = self.reader.scaled(white)  # predictors of other data have another scale than this data set
        records = {record.sample_id: record for record in reader.records()}
        for row in self.manifest.itertuples():
            name, native = str(row.sample_id), (int(row.native_height), int(row.native_width))
            image = reader.image(records[name]) if name in records else None
            if image is None or image.shape[:2] != native:
                raise UserError(f"sample {name} has changed since ingestion: run the pipeline ingestion again")
            logits = None if self.maps is None else read_maps(self.maps, name, native, classes).numpy()
            yield Item(image, logits), reader.mask(records[name])


def count_pixels(predictor: Predictor, images: TestImages) -> NDArray[np.int64]:
    """Pixel counts of every image, int64 (n, C, 6), with columns `metrics.COLUMNS`; C = 1 for foreground."""
    masks: list[NDArray[np.uint8]] = []

    def items() -> Iterator[Item]:
        for item, mask in images.pairs(predictor.classes, predictor.settings.white):
            masks.append(mask)
            yield item

    counted = []
    for examined in predictor.examine(items()):
        mask, predicted = masks.pop(0), examined.predicted.mask
        ids = np.arange(predictor.classes)[:, None, None] if predictor.classes > 1 else np.ones((1, 1, 1), np.int64)
        truth = np.where(mask == IGNORE, np.uint8(IGNORE), (mask == ids).astype(np.uint8))
        counted.append(TruthCounter(truth).count(predicted == ids))
    return np.stack(counted)
