"""Read a data set, check all of its files, and store its samples."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from prn_pipeline.data.batches import read_batches
from prn_pipeline.data.canvas import canvas_of
from prn_pipeline.data.image_values import WHITE
from prn_pipeline.data.ingestion import data_identity, inspect_and_summarise
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.store.class_maps import CLASSES
from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.reporting.dataset.facts import as_text
from prn_pipeline.reporting.dataset.samples import choose, shown_samples
from prn_pipeline.reporting.dataset.sheet import sheet_png

logger = logging.getLogger(__name__)


def ingest(dataset: str, settings: dict[str, Any], data_root: str) -> tuple[ArrayStream, pd.DataFrame, dict[str, Any]]:
    """Samples at model resolution, their manifest and summary; all files are checked before anything is written."""
    dataset_settings = DatasetSettings.model_validate(settings)
    reader, canvas = make_reader(dataset, dataset_settings, Path(data_root)), canvas_of(dataset_settings.image_size)
    manifest, summary = inspect_and_summarise(dataset, dataset_settings, reader)
    logger.info("%s", as_text(summary))
    manifest.attrs[IDENTITY] = f"{data_identity(manifest)}-{canvas.shown}"
    reader = reader.scaled(manifest.attrs.get(WHITE))
    batches = (
        {"images": images, "masks": masks}
        for images, masks in read_batches(reader, manifest, dataset_settings.image_size, batch_size=16)
    )
    attributes = {IDENTITY: manifest.attrs[IDENTITY]}
    if dataset_settings.classes:
        attributes[CLASSES] = dataset_settings.maps_per_image
    return ArrayStream(batches, attributes), manifest, summary


def draw_samples(dataset: str, samples: ArrayStore, manifest: pd.DataFrame) -> bytes:
    """The sheet of samples with their masks."""
    rows = choose(manifest)
    images, masks = samples.read("images", rows), samples.read("masks", rows)
    return sheet_png(dataset, len(manifest), shown_samples(manifest, rows, list(images), list(masks)))
