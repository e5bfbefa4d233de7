"""Kedro datasets of this project."""

from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import FiguresDataset, JsonDataset, TableDataset, TextDataset
from prn_pipeline.io.modules import ModuleDataset, ModuleFolderDataset

__all__ = [
    "ArrayStoreDataset",
    "FiguresDataset",
    "JsonDataset",
    "ModuleDataset",
    "ModuleFolderDataset",
    "TableDataset",
    "TextDataset",
]
