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

#: Suffixes of artefacts that are folders, and large. Temporary files are small, and searching for them is not worth it.
FOLDERS = ("", ".zarr")
#: Bytes of a name without suffix that temporary names keep: with what they add, they stay below the 255 bytes that file
#: systems allow.
MAX_STEM = 160
#: Seconds after which the temporary folder of a process of another container, whose processes this one does not see,
#: is taken for abandoned. That of a process that has ended here is removed at once.
ABANDONED = 24 * 3600


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends normally, remove it otherwise.

    The block creates a file or a folder at the temporary path, which keeps the suffix of `path` because writers such as
    those of parquet and safetensors look at it. Temporary folders of the same path that long dead processes have left
    are removed.
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


def _temporary_path(path: Path, process: int | str, state: str) -> Path:
    """Temporary path of a process of this machine; on a shared disk other machines have other paths."""
    stem = os.fsencode(path.stem)
    if len(stem) > MAX_STEM:  # shortened, and made unique again
        stem = stem[:MAX_STEM].decode(errors="ignore").encode() + b"-%08x" % crc32(stem)
    machine = f"{crc32(platform.node().encode()):08x}-{visible_processes()}"
    return path.with_name(f".{os.fsdecode(stem)}.{machine}-{process}.{state}{path.suffix}")


def _remove_abandoned(path: Path) -> None:
    """Remove temporary folders that killed processes have left, as far as possible."""
    own = f"-{visible_processes()}-PROCESS"
    names = {
        re.compile(
            re.escape(_temporary_path(path, "PROCESS", state).name).replace(
                re.escape(own), r"(?:-(?P<seen_by>[0-9a-f]+))?-(?P<process>\d+)"
            )
        )
        for state in ("partial", "retired")
    }
    for left in path.parent.iterdir():
        for found in filter(None, (name.fullmatch(left.name) for name in names)):
            with suppress(FileNotFoundError):  # another process may be removing it
                age, is_seen_here = time.time() - left.stat().st_mtime, found["seen_by"] == visible_processes()
                # Of a process that was killed between two renames.
                is_only_copy = ".retired." in f"{left.name}." and not os.path.lexists(path)
                at_once = is_seen_here and not is_only_copy
                if not psutil.pid_exists(int(found["process"])) and (at_once or age > ABANDONED):
                    shutil.rmtree(left, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
