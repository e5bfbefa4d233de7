"""Resizes maps to the size of the original image, for evaluation on the original mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.resizing import stretch
from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.stages.evaluation.map_pairs import MapPair, Resize


def native_resolution(name: str, settings: DatasetSettings, data_root: Path, manifest: pd.DataFrame) -> Resize:
    """A `Resize` for the rows of a manifest, which may have one row per class.

    It reads the original mask again and stretches the logits to its size (bilinear, before thresholding).

    Raises:
        UserError: the data set has changed since ingestion.
    """
    reader = make_reader(name, settings, data_root)
    records = {record.sample_id: record for record in reader.records()}
    classes = manifest["class_id"].to_numpy() if "class_id" in manifest else None
    ids, sizes = manifest["sample_id"].to_numpy(), manifest[["native_height", "native_width"]].to_numpy()

    def resize(row: int, pair: MapPair) -> MapPair:
        if ids[row] not in records or (mask := reader.mask(records[ids[row]])).shape != tuple(sizes[row]):
            raise UserError(f"{name}: sample {ids[row]} has changed since ingestion: run the pipeline ingestion again")
        if classes is not None:
            mask = np.where(mask == IGNORE, IGNORE, mask == classes[row]).astype(np.uint8)
        stretched = {kind: stretch(logits, mask.shape) for kind, logits in pair.maps.items()}
        return MapPair(stretched, stretch(pair.refined, mask.shape), mask)

    return resize
