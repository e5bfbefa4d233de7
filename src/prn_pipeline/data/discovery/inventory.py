"""The files below a folder, as far as their names tell what they are."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from prn_pipeline.data.readers.array_files import NUMPY
from prn_pipeline.data.readers.file_kinds import PICTURES, kind_of
from prn_pipeline.data.readers.finding import is_bookkeeping
from prn_pipeline.errors import UserError

#: More files than this are no data set, but a whole disk.
MAX_FILES = 2_000_000
#: Larger files are no lists of names.
MAX_BYTES = 64 * 2**20
#: Kinds of files, or folders, in one message.
MAX_LISTED = 6


@dataclass(frozen=True)
class Inventory:
    """What lies below a folder; all paths are relative to it, and sorted.

    Attributes:
        folder: absolute.
        pictures: of the formats that are read.
        arrays: .npy and .npz.
        others: everything else: lists, tables, annotations.
    """

    folder: Path
    pictures: list[PurePosixPath] = field(default_factory=list)
    arrays: list[PurePosixPath] = field(default_factory=list)
    others: list[PurePosixPath] = field(default_factory=list)

    def text(self, path: PurePosixPath) -> str:
        """The text of a list or table; "" if the file holds none, or is too large to be a list."""
        file = self.folder / path
        try:
            return file.read_text(encoding="utf-8-sig") if file.stat().st_size <= MAX_BYTES else ""
        except (OSError, UnicodeDecodeError):
            return ""

    def described(self) -> str:
        """What was found, for messages: `12 .jpg in images, 3 .txt in .`."""
        places = Counter(
            f"{kind_of(path) or path.name} in {path.parent if path.parent.parts else 'the folder itself'}"
            for path in (*self.pictures, *self.arrays, *self.others)
        )
        named = [f"{count} {place}" for place, count in places.most_common(MAX_LISTED)]
        return (", ".join(named) + (", ..." if len(places) > MAX_LISTED else "")) or "no file"


def take_inventory(folder: Path) -> Inventory:
    """All files below a folder, without those that operating systems and tools leave behind.

    Raises:
        UserError: no such folder, a file in its place, no permission, or too many files for a data set.
    """
    if not folder.is_dir():
        found = "a file" if folder.exists() else "no such folder"
        raise UserError(
            f"{folder}: {found}, expected the folder of a data set, such as one with images/ and masks/. Give its path."
        )
    found_files = _walked(folder)
    inventory = Inventory(folder)
    for path in sorted(found_files):
        suffix = kind_of(path)
        kind = inventory.pictures if suffix in PICTURES else inventory.arrays if suffix in NUMPY else inventory.others
        kind.append(path)
    return inventory


def _walked(folder: Path) -> list[PurePosixPath]:
    files: list[PurePosixPath] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        real = os.path.realpath(place)
        if real in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(real)
        below = PurePosixPath(Path(place).relative_to(folder).as_posix())
        folders[:] = sorted(name for name in folders if not is_bookkeeping(Path(name)))
        files += [below / name for name in names if not is_bookkeeping(Path(name))]
        if len(files) > MAX_FILES:
            raise UserError(
                f"{folder}: more than {MAX_FILES:,} files, expected the folder of one data set. Give the path of that"
                " folder."
            )
    return files
