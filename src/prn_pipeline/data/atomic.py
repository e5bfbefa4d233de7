"""Write beside, then rename: a killed run leaves the old artefact or the new one, never half of one.

In a bucket there is no renaming: see `data.locations`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from prn_pipeline.data.locations import is_remote, uploading


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    Works for a file and for a folder; the block creates whichever it wants under the temporary name. The temporary
    name keeps the suffix, because writers such as parquet's and safetensors' look at it. Folders that killed processes
    have left of the same path are removed; a file's remains are small, and its folder may be too large to look through.
    """
    if is_remote(path):
        with uploading(path) as local:
            yield local
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path, os.getpid(), "partial")
    _remove(temporary)
    try:
        yield temporary
        _swap(temporary, path)
    finally:
        _remove(temporary)


def _swap(temporary: Path, path: Path) -> None:
    if temporary.is_dir():
        _remove_abandoned(path)
    if not path.is_dir():
        os.replace(temporary, path)
        return
    # A folder that is not empty cannot be renamed over: move the old one aside for the instant between two renames.
    retired = _beside(path, os.getpid(), "retired")
    _remove(retired)
    os.replace(path, retired)
    os.replace(temporary, path)
    _remove(retired)


def _beside(path: Path, process: int | str, state: str) -> Path:
    """Name for what a process of this machine is making; on a shared disk other machines have others."""
    return path.with_name(f".{path.stem}.{platform.node()}-{process}.{state}{path.suffix}")


def _remove_abandoned(path: Path) -> None:
    """What killed processes have left behind."""
    for state in ("partial", "retired"):
        name = re.compile(re.escape(_beside(path, "PROCESS", state).name).replace("PROCESS", r"(\d+)"))
        for left in path.parent.iterdir():
            found = name.fullmatch(left.name)
            if found and not psutil.pid_exists(int(found[1])):
                _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
