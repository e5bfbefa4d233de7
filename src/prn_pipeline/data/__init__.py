"""RefinerInput data sets: settings, decoding, pairing, splits, and the manifest of what was found."""

from prn_pipeline.data.batches import read_batches
from prn_pipeline.data.ingestion import data_identity, inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.records import Reader, Record
from prn_pipeline.data.settings import DatasetSettings, SyntheticSettings

__all__ = [
    "DatasetSettings",
    "Reader",
    "Record",
    "SyntheticSettings",
    "data_identity",
    "inspect",
    "make_reader",
    "read_batches",
]
