"""Which disk is full: libraries report it in many types, most of them without a path."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How libraries that do not raise OSError say it: safetensors and other code in Rust, SQLite, torch.
_MESSAGES = re.compile(r"No space left on device|database or disk is full|Disk quota exceeded", re.IGNORECASE)
#: A disk with less space than this is full, in bytes.
LITTLE = 2**20
_FREE = "free some space, or ask for a larger quota, on"


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that a disk, or a quota of it, is full."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return bool(_MESSAGES.search(str(error)))


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Within the block, the error of a full disk names the path: that of a write to an open file has no name.

    An error that was raised while that of a full disk was handled comes from it: torch, for one, notices when it closes
    its file that less was written than it wanted to.
    """
    try:
        yield
    except Exception as error:
        if (found := _first_full_disk(error)) and not getattr(found, "filename", None):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise


def _first_full_disk(error: BaseException | None) -> BaseException | None:
    """The error of a full disk among an error and what was handled when it was raised."""
    while error is not None and not is_full_disk(error):
        error = error.__cause__ or error.__context__
    return error


def full_disk(error: BaseException, working: Path) -> str:
    """Message about a full disk: "/data/x.zarr: No space left on device; free some space on the disk at /data".

    Args:
        error: for which `is_full_disk` holds.
        working: folder of the project.
    """
    name = getattr(error, "filename", None)
    if name:
        path = Path(os.fsdecode(name)).absolute()
        return f"{os.fsdecode(name)}: No space left on device; {_FREE} the disk at {_mount(path)}"
    places = {"the project": working, "temporary files": Path(tempfile.gettempdir())}
    full = [f"{_mount(place)} ({what})" for what, place in places.items() if _free(place) < LITTLE]
    disks = (
        " and ".join(full)
        or f"{_mount(working)} (the project) or {_mount(places['temporary files'])} (temporary files)"
    )
    return f"No space left on device; {_FREE} the disk at {disks}"


def _mount(path: Path) -> Path:
    """Where the disk of a path is mounted."""
    while not (path.exists() and os.path.ismount(path)) and path != path.parent:
        path = path.parent
    return path


def _free(place: Path) -> int:
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return LITTLE
