"""Lists the image files of a data set, sorted by path."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_kinds import PICTURES, UNREAD, how_to_read, kind_of
from prn_pipeline.data.readers.finding import fetch_hint, find_files, names_of_folders
from prn_pipeline.errors import UserError, counted

logger = logging.getLogger(__name__)

#: Kinds of files, or folders, in one message.
MAX_LISTED = 5


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
        found = ", ".join(names_of_folders(data_root.iterdir())) or "no folder"
        raise UserError(
            f"data set '{name}': no folder {root}.{fetch_hint(root)} Found in {data_root}: {found}. Put the data set"
            f" there, set `datasets.{name}.folder`, or point PRN_DATA_ROOT elsewhere."
        )
    return root


def list_pictures(
    folder: Path,
    pattern: str,
    setting: str,
    extensions: frozenset[str] = PICTURES,
    account: FileAccount | None = None,
    otherwise: frozenset[str] = frozenset(),
    besides: Collection[Path] = (),
) -> list[Path]:
    """Picture files of a sub-folder, or those that a glob pattern finds, sorted.

    Bookkeeping files of operating systems and tools are left out (`finding.is_bookkeeping`); files that are not
    pictures are left out with a warning. Links to nothing are among the pictures: `contents.require_contents` refuses
    those that would be read.

    Args:
        folder: the data set's folder, or the folder of one of its splits.
        pattern: sub-folder, or glob pattern below `folder` (of files, or of folders whose files are meant).
        setting: the setting that holds the pattern, for messages.
        extensions: suffixes of pictures, in lower case.
        account: notes what was found and what was left out.
        otherwise: suffixes that are taken if there is no picture at all.
        besides: other files of the data set, which may lie among the pictures.

    Raises:
        UserError: no such sub-folder, no picture in it, or a file name that is not UTF-8.
    """
    found = find_files(folder, pattern, setting)
    if not any(kind_of(path) in extensions for path in found.files):
        extensions |= otherwise
    pictures = [path for path in found.files if kind_of(path) in extensions]
    others = [path for path in found.files if kind_of(path) not in extensions and path not in besides]
    kinds = _kinds(others)
    if not pictures and others:
        raise UserError(
            f"{folder / pattern}: {counted(len(others), 'file')}, none a supported picture (found {kinds}; supported"
            f" {', '.join(sorted(extensions))}). {how_to_read(kind_of(path) for path in others)} Or correct"
            f" `{setting}: {pattern}`."
        )
    if not pictures:
        inside = f" It has the sub-folders {', '.join(names_of_folders(found.folders))}." if found.folders else ""
        raise UserError(
            f"{folder / pattern}: no pictures.{fetch_hint(folder / pattern)}{inside} Put them there, or correct"
            f" `{setting}: {pattern}`: it takes a sub-folder or a glob pattern such as '*/images'."
        )
    require_text(pictures, folder)
    if others:
        suffixes = {kind_of(path) for path in others}
        logger.warning(
            "%s: left out %s of kinds that are not read as pictures: %s.%s",
            folder / pattern,
            counted(len(others), "file"),
            kinds,
            f" {how_to_read(suffixes)}" if suffixes & (UNREAD | {".npy", ".npz"}) else "",
        )
    if account is not None:
        account.add(setting, len(pictures))
        account.leave_out(setting, "not a kind of picture that is read", (path.name for path in others))
        reason = "left behind by an operating system or a tool"
        account.leave_out(setting, reason, (path.relative_to(folder).as_posix() for path in found.bookkeeping))
    return pictures


def require_text(files: Iterable[Path], folder: Path) -> None:
    """Raise UserError if a name below `folder` is not UTF-8: no table could hold it."""
    for path in files:
        try:
            str(path.relative_to(folder)).encode()
        except UnicodeEncodeError:
            raise UserError(f"{os.fsencode(path)!r}: a file name that is not UTF-8. Rename the file.") from None


def _kinds(files: list[Path]) -> str:
    """`12 .heic, 3 .txt`, the commonest first."""
    counts = Counter(kind_of(path) or path.name for path in files)
    named = [f"{count} {kind}" for kind, count in counts.most_common(MAX_LISTED)]
    return ", ".join(named) + (", ..." if len(counts) > MAX_LISTED else "")
