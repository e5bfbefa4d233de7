"""Pictures in sub-folders of a folder whose own pictures are used: they are left out, which nobody may have meant."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_kinds import PICTURES, kind_of
from prn_pipeline.data.readers.finding import is_bookkeeping
from prn_pipeline.errors import counted

logger = logging.getLogger(__name__)

#: Files and folders that are looked at, so that a whole disk below a folder of images costs no minutes.
MAX_ENTRIES = 100_000
#: Names in one message.
MAX_LISTED = 3


def warn_of_nested(folder: Path, patterns: Mapping[str, str], used: Iterable[Path], account: FileAccount) -> None:
    """Log and note the pictures in sub-folders of plain folders, unless another pattern uses them.

    Args:
        folder: of the data set, or of one of its splits.
        patterns: setting -> sub-folder or glob pattern below `folder`.
        used: pictures that the patterns find.
        account: of the files of the data set.
    """
    known = set(used)
    for setting, pattern in patterns.items():
        place = folder / pattern
        left = _pictures_below(place) - known if place.is_dir() else set()
        if not left:
            continue
        names = [path.relative_to(folder).as_posix() for path in sorted(left)]
        account.leave_out(setting, "in sub-folders", names)
        logger.warning(
            "%s: left out %s in its sub-folders: %s. If they belong to the data set, set `%s: '%s'`",
            place,
            counted(len(names), "picture"),
            ", ".join(names[:MAX_LISTED]) + (", ..." if len(names) > MAX_LISTED else ""),
            setting,
            f"{pattern}/**/*" if pattern != "." else "**/*",
        )


def _pictures_below(place: Path) -> set[Path]:
    folders = [
        entry
        for entry in place.iterdir()
        if entry.is_dir() and entry.suffix.lower() != ".zarr" and not is_bookkeeping(entry.relative_to(place))
    ]
    entries = itertools.chain.from_iterable(entry.rglob("*") for entry in folders)
    return {
        path
        for path in itertools.islice(entries, MAX_ENTRIES)
        if kind_of(path) in PICTURES and path.is_file() and not is_bookkeeping(path.relative_to(place))
    }
