"""Lists the image files of a data set, sorted by path."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from prn_pipeline.data.readers.decoding import EXTENSIONS
from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)


def require_dataset_folder(name: str, data_root: Path, folder: str) -> Path:
    """The data set's folder.

    Raises:
        UserError: the data root or the folder below it is missing.
    """
    if not data_root.is_dir():
        raise UserError(
            f"data set '{name}': no data root {data_root}. Create it, or set PRN_DATA_ROOT to the folder that holds "
            "the data sets, one folder each."
        )
    root = data_root / folder
    if not root.is_dir():
        found = ", ".join(sorted(entry.name for entry in data_root.iterdir() if entry.is_dir())[:12]) or "no folder"
        raise UserError(
            f"data set '{name}': no folder {root}. Found in {data_root}: {found}. Put the data set there, set "
            f"`datasets.{name}.folder`, or point PRN_DATA_ROOT elsewhere."
        )
    return root


def list_pictures(folder: Path, pattern: str, setting: str, extensions: frozenset[str] = EXTENSIONS) -> list[Path]:
    """Picture files of a sub-folder, or those that a glob pattern finds, sorted.

    Hidden files are left out; files that are not pictures are left out with a warning.

    Args:
        folder: the data set's folder, or the folder of one of its splits.
        pattern: sub-folder, or glob pattern below `folder` (of files, or of folders whose files are meant).
        setting: the setting that holds the pattern, for messages.
        extensions: suffixes of pictures, in lower case.

    Raises:
        UserError: no such sub-folder, no picture in it, or a file name that is not UTF-8.
    """
    files = [path for path in _files(folder, pattern, setting) if not path.name.startswith(".")]
    pictures = [path for path in files if path.suffix.lower() in extensions]
    others = sorted({path.suffix.lower() or path.name for path in files} - extensions)
    if not pictures and others:
        raise UserError(
            f"{folder / pattern}: {len(files)} files, none a supported picture (found {', '.join(others[:5])}; "
            f"supported {', '.join(sorted(extensions))}). Convert them, or correct `{setting}: {pattern}`."
        )
    if not pictures:
        raise UserError(
            f"{folder / pattern}: no pictures. Put them there, or correct `{setting}: {pattern}`: it takes a "
            "sub-folder or a glob pattern such as '*/images'."
        )
    require_text(pictures, folder)
    if others:
        logger.warning("%s: left out %d files of kind %s", folder / pattern, len(files) - len(pictures), others[:5])
    return sorted(pictures)


def require_text(files: Iterable[Path], folder: Path) -> None:
    """Raise UserError if a name below `folder` is not UTF-8: no table could hold it."""
    for path in files:
        try:
            str(path.relative_to(folder)).encode()
        except UnicodeEncodeError:
            raise UserError(f"{os.fsencode(path)!r}: a file name that is not UTF-8. Rename the file.") from None


def _files(folder: Path, pattern: str, setting: str) -> list[Path]:
    if not any(character in pattern for character in "*?["):
        if not (folder / pattern).is_dir():
            present = ", ".join(sorted(entry.name for entry in folder.iterdir() if entry.is_dir())[:12]) or "none"
            raise UserError(
                f"{folder / pattern}: no such folder. Folders in {folder}: {present}. Correct `{setting}: {pattern}`."
            )
        return [path for path in (folder / pattern).iterdir() if path.is_file()]
    try:
        found = list(folder.glob(pattern))
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"`{setting}: {pattern}` is not a glob pattern below {folder}: {error}.") from error
    inside = [path for entry in found if entry.is_dir() for path in entry.iterdir()]
    return sorted({path for path in found + inside if path.is_file()})
