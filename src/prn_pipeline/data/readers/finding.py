"""Finds the files of a folder or of a glob pattern. What operating systems and tools leave behind is never data."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from prn_pipeline.errors import UserError

#: Folders and files, in lower case, that no person made: archives, thumbnails, bins and caches. Hidden ones
#: (.ipynb_checkpoints, .git, .dvc, ._photo.jpg) are known by their first character.
BOOKKEEPING = frozenset(
    {
        *("__macosx", "__pycache__", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "icon\r"),
        *("lost+found", "system volume information", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
    }
)
#: Folders that one message lists.
MAX_LISTED = 12
_WILD = "*?["


class Found(NamedTuple):
    """What a pattern finds.

    Attributes:
        files: sorted; .zarr stores, links to nothing, and files that only their .dvc file names, are among them.
        bookkeeping: files that the pattern finds and `is_bookkeeping` rules out.
        folders: sub-folders of a plain folder, whose files are not meant.
    """

    files: list[Path]
    bookkeeping: list[Path]
    folders: list[Path]


def is_bookkeeping(path: Path, pattern: str = "") -> bool:
    """Whether a path below the folder of the data lies in, or is, something that an operating system or a tool left.

    Args:
        path: relative to the folder of the data, which may itself be hidden.
        pattern: the user's pattern; a folder that it names in full, such as `.cache`, is meant.
    """
    meant = {part for part in Path(pattern).parts if not any(wild in part for wild in _WILD)}
    return any(_left_behind(part) for part in path.parts if part not in meant)


def find_files(folder: Path, pattern: str, setting: str) -> Found:
    """The files of a sub-folder, or those that a glob pattern finds.

    The parts of a pattern are names as long as there are folders of these names: `images [2024]` is a folder if there
    is one, and `images [2024]/*.png` looks into it.

    Args:
        folder: the folder of the data set, or of one of its splits.
        pattern: sub-folder, file, or glob pattern below `folder` (of files, or of folders whose files are meant).
        setting: the setting that holds the pattern, for messages.

    Raises:
        UserError: no such sub-folder, or not a pattern.
    """
    place, wild = _named_part(folder, pattern)
    if wild and not any(character in wild for character in _WILD):
        raise UserError(_no_such_folder(folder, pattern, setting))
    try:
        entries = _entries(place, wild)
    except (ValueError, NotImplementedError) as error:
        raise UserError(f"`{setting}: {pattern}` is not a glob pattern below {folder}: {error}.") from error
    files = {_meant(path) for path in entries if _is_file(path) and not _inside_a_store(path.relative_to(folder))}
    files = {path for path in files if path.suffix.lower() != ".dvc"}
    left = {path for path in files if is_bookkeeping(path.relative_to(folder), pattern)}
    plain = [] if wild else [path for path in entries if path.is_dir() and not _is_file(path)]
    return Found(
        sorted(files - left),
        sorted(left),
        sorted(path for path in plain if not is_bookkeeping(path.relative_to(folder), pattern)),
    )


def fetch_hint(path: Path) -> str:
    """How to get a folder that is not here, or is empty, where version control knows of it; else ""."""
    if path.with_name(f"{path.name}.dvc").is_file():
        return f" {path.name}.dvc stands beside it: run `dvc pull {path.name}.dvc` in {path.parent}."
    if path.is_symlink() and not path.exists():
        return f" It is a link to {os.readlink(path)}, which is not there: mount it, or link it again."
    return ""


def _named_part(folder: Path, pattern: str) -> tuple[Path, str]:
    """The longest part of a pattern that exists under its own name, and the rest: "" if all of it exists."""
    if (folder / pattern).is_file():
        return folder / pattern, ""
    place, parts = folder, list(Path(pattern).parts)
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    return place, "/".join(parts)


def _entries(place: Path, wild: str) -> list[Path]:
    if not wild:
        return [place] if place.is_file() else list(place.iterdir())
    found = [*place.glob(wild), *place.glob(f"{wild}.dvc")]
    return found + [path for entry in found if entry.is_dir() and not _is_file(entry) for path in entry.iterdir()]


def _is_file(path: Path) -> bool:
    """A file, a store, or a link to nothing, which stands for a file that was not fetched."""
    return path.is_file() or path.suffix.lower() == ".zarr" or (path.is_symlink() and not path.exists())


def _meant(path: Path) -> Path:
    """The file itself; for photo.png.dvc, whose photo.png was not fetched, that file."""
    tracked = path.with_suffix("")
    return tracked if path.suffix == ".dvc" and tracked.suffix and not tracked.exists() else path


def _inside_a_store(path: Path) -> bool:
    return any(parent.suffix.lower() == ".zarr" for parent in path.parents)


def _no_such_folder(folder: Path, pattern: str, setting: str) -> str:
    present = ", ".join(names_of_folders(folder.iterdir())) or "none"
    return (
        f"{folder / pattern}: no such folder.{fetch_hint(folder / pattern)} Folders in {folder}: {present}. Correct"
        f" `{setting}: {pattern}`."
    )


def names_of_folders(entries: Iterable[Path]) -> list[str]:
    """Names of the folders that are data, sorted; at most `MAX_LISTED`."""
    names = sorted(entry.name for entry in entries if entry.is_dir() and not _left_behind(entry.name))
    return names[:MAX_LISTED]


def _left_behind(name: str) -> bool:
    hidden = name.startswith(".") and name not in (".", "..")
    return hidden or name.startswith("~$") or name.lower() in BOOKKEEPING
