"""Write beside, then rename: a killed run leaves the old artefact or the new one, never half of one.

In a bucket there is no renaming: see `data.locations`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zlib import crc32

from prn_pipeline.data.store.locations import is_remote, uploading

#: Endings of artefacts that are folders, and large; files lie among too many others to be looked for.
FOLDERS = ("", ".zarr")
#: Seconds after which what nobody here is making is taken for abandoned: in a container of its own somebody may be.
ABANDONED = 24 * 3600


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    Works for a file and for a folder; the block creates whichever it wants under the temporary name. The temporary
    name keeps the suffix, because writers such as parquet's and safetensors' look at it. Folders that processes
    killed long ago have left of the same path are removed.
    """
    if is_remote(path):
        with uploading(path) as local:
            yield local
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in FOLDERS and path.parent.is_dir():
        _remove_abandoned(path)
    temporary = _temporary_path(path, os.getpid(), "partial")
    _remove(temporary)
    try:
        yield temporary
        _swap(temporary, path)
    finally:
        _remove(temporary)


def _swap(temporary: Path, path: Path) -> None:
    if not path.is_dir():
        os.replace(temporary, path)
        return
    # A folder that is not empty cannot be renamed over: move the old one aside for the instant between two renames.
    retired = _temporary_path(path, os.getpid(), "retired")
    _remove(retired)
    os.replace(path, retired)
    os.replace(temporary, path)
    _remove(retired)


def _temporary_path(path: Path, process: int | str, state: str) -> Path:
    """Name for what a process of this machine is making; on a shared disk other machines have others."""
    return path.with_name(f".{path.stem}.{crc32(platform.node().encode()):08x}-{process}.{state}{path.suffix}")


def _remove_abandoned(path: Path) -> None:
    """What killed processes have left behind, as far as it can be removed."""
    names = {
        re.compile(re.escape(_temporary_path(path, "PROCESS", state).name).replace("PROCESS", r"(\d+)"))
        for state in ("partial", "retired")
    }
    for left in path.parent.iterdir():
        for found in filter(None, (name.fullmatch(left.name) for name in names)):
            with suppress(FileNotFoundError):  # another process may be removing it
                if not _lives(int(found[1])) and time.time() - left.stat().st_mtime > ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
