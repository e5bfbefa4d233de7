"""Kedro datasets of this project."""

from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import FiguresDataset, JsonDataset, TableDataset, TextDataset
from prn_pipeline.io.modules import ModuleDataset, ModuleFolderDataset
from prn_pipeline.io.predictor import PredictorDataset

__all__ = [
    "ArrayStoreDataset",
    "FiguresDataset",
    "JsonDataset",
    "ModuleDataset",
    "ModuleFolderDataset",
    "PredictorDataset",
    "TableDataset",
    "TextDataset",
]
