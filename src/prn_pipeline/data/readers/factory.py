"""From settings to a reader."""

from __future__ import annotations

from pathlib import Path

from prn_pipeline.data.readers.folder_reader import FolderReader
from prn_pipeline.data.readers.records import Reader
from prn_pipeline.data.readers.synthetic_reader import SyntheticReader
from prn_pipeline.data.settings import DatasetSettings, SyntheticSettings


def make_reader(name: str, settings: DatasetSettings, data_root: Path) -> Reader:
    """The reader that `settings.reader` names.

    Args:
        name: the data set's name, also its folder unless `settings.folder` says otherwise.
        settings: the data set's block.
        data_root: folder that holds the data sets; not touched before `records()` is called.
    """
    if settings.reader == "synthetic":
        return SyntheticReader(settings.synthetic or SyntheticSettings())
    return FolderReader(name, settings, data_root)
