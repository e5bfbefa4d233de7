"""Atomic writes: write to a temporary path, then rename. A killed run leaves the old artefact or the new one.

Buckets have no renaming: see `locations`.
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

import psutil

from prn_pipeline.data.store.locations import is_remote, uploading
from prn_pipeline.processes.full_disks import naming_full_disk
from prn_pipeline.processes.owners import visible_processes

#: Suffixes of artefacts that are folders, and large: leftovers are searched for at every write. For files, which are
#: small and may be many in one folder, at the first write of a process into that folder.
FOLDERS = ("", ".zarr")
#: Bytes of a name without suffix that temporary names keep: with what they add, they stay below the 255 bytes that file
#: systems allow.
MAX_STEM = 160
#: Seconds after which what a process of another container, whose processes this one does not see, has left is
#: taken for abandoned. What a process that has ended here has left is removed at once.
ABANDONED = 24 * 3600
#: Folders that this process has searched for leftovers.
_searched: set[Path] = set()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends normally, remove it otherwise.

    The block creates a file or a folder at the temporary path, which keeps the suffix of `path` because writers such as
    those of parquet and safetensors look at it. What killed processes have left in the folder of `path` is removed.
    """
    if is_remote(path):
        with uploading(path) as local:
            yield local
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in FOLDERS or path.parent not in _searched:
        _searched.add(path.parent)
        _remove_abandoned(path.parent)
    temporary = _temporary_path(path, os.getpid(), "partial")
    _remove(temporary)
    try:
        with naming_full_disk(path):
            yield temporary
            _swap(temporary, path)
    finally:
        _remove(temporary)


def _swap(temporary: Path, path: Path) -> None:
    if not path.is_dir() and not (temporary.is_dir() and os.path.lexists(path)):
        os.replace(temporary, path)
        return
    # Neither a folder that is not empty nor a file in the place of a folder can be renamed over: move the old one aside
    # for the instant between two renames.
    retired = _temporary_path(path, os.getpid(), "retired")
    _remove(retired)
    os.replace(path, retired)
    os.replace(temporary, path)
    _remove(retired)


def _temporary_path(path: Path, process: int, state: str) -> Path:
    """Temporary path of a process of this machine; on a shared disk other machines have other paths."""
    stem = os.fsencode(path.stem)
    if len(stem) > MAX_STEM:  # shortened, and made unique again
        stem = stem[:MAX_STEM].decode(errors="ignore").encode() + b"-%08x" % crc32(stem)
    owner = f"{_machine()}-{visible_processes()}-{process}"
    return path.with_name(f".{os.fsdecode(stem)}.{owner}.{state}{path.suffix}")


def _machine() -> str:
    return f"{crc32(platform.node().encode()):08x}"


def _remove_abandoned(folder: Path) -> None:
    """Remove temporary files and folders that killed processes of this machine have left, as far as possible."""
    name = re.compile(
        rf"\.(?P<stem>.+)\.{_machine()}(?:-(?P<seen_by>[0-9a-f]+))?-(?P<process>\d+)"
        r"\.(?P<state>partial|retired)(?P<suffix>\.[^.]+)?"
    )
    for left in folder.iterdir():
        if (found := name.fullmatch(left.name)) is None or psutil.pid_exists(int(found["process"])):
            continue
        # Of a process that was killed between two renames.
        is_only_copy = found["state"] == "retired" and not os.path.lexists(
            folder / f"{found['stem']}{found['suffix'] or ''}"
        )
        at_once = found["seen_by"] == visible_processes() and not is_only_copy
        with suppress(OSError):  # another process may be removing it
            if at_once or time.time() - left.stat().st_mtime > ABANDONED:
                _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
