"""Read a data set, check all of its files, and store its samples."""

from pathlib import Path
from typing import Any

import pandas as pd

from prn_pipeline.data.batches import read_batches
from prn_pipeline.data.image_values import WHITE
from prn_pipeline.data.ingestion import data_identity, inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStream
from prn_pipeline.data.store.class_maps import CLASSES
from prn_pipeline.data.store.sample_store import IDENTITY


def ingest(dataset: str, settings: dict[str, Any], data_root: str) -> tuple[ArrayStream, pd.DataFrame]:
    """Samples at model resolution and their manifest; all files are checked before anything is written."""
    dataset_settings = DatasetSettings.model_validate(settings)
    reader = make_reader(dataset, dataset_settings, Path(data_root))
    manifest = inspect(dataset, dataset_settings, reader)
    manifest.attrs[IDENTITY] = f"{data_identity(manifest)}-{dataset_settings.image_size}"
    reader = reader.scaled(manifest.attrs.get(WHITE))
    batches = (
        {"images": images, "masks": masks}
        for images, masks in read_batches(reader, manifest, dataset_settings.image_size, batch_size=16)
    )
    attributes = {IDENTITY: manifest.attrs[IDENTITY]}
    if dataset_settings.classes:
        attributes[CLASSES] = dataset_settings.maps_per_image
    return ArrayStream(batches, attributes), manifest
