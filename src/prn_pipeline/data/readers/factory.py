"""The readers, by the name that `DatasetSettings.reader` gives.

A new reader is a file in this folder with the methods of `records.Reader`, and a line in `READERS`; its name goes into
`settings.ReaderName`, so that a misspelt one is refused before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prn_pipeline.data.readers.annotations.annotation_reader import AnnotationReader
from prn_pipeline.data.readers.folder_reader import FolderReader
from prn_pipeline.data.readers.records import Reader
from prn_pipeline.data.readers.synthetic_reader import SyntheticReader
from prn_pipeline.data.settings import DatasetSettings, ReaderName


def _from_files(name: str, settings: DatasetSettings, data_root: Path) -> Reader:
    return (AnnotationReader if settings.annotations else FolderReader)(name, settings, data_root)


#: Name -> called with the data set's name, its settings, and the folder that holds the data sets.
READERS: dict[ReaderName, Callable[[str, DatasetSettings, Path], Reader]] = {
    "folder": _from_files,
    "synthetic": SyntheticReader,
}


def make_reader(name: str, settings: DatasetSettings, data_root: Path) -> Reader:
    """The reader that `settings.reader` names.

    Args:
        name: the data set's name; also the name of its folder if `settings.folder` is null.
        settings: of the data set.
        data_root: folder that holds the data sets; no reader touches it before `records()` is called.
    """
    return READERS[settings.reader](name, settings, data_root)
