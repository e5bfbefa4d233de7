"""Write beside, then rename: a killed run leaves the old artefact or the new one, never half of one.

In a bucket there is no renaming: see `data.locations`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prn_pipeline.data.locations import is_remote, uploading


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    Works for a file and for a folder; the block creates whichever it wants under the temporary name. The temporary
    name keeps the suffix, because writers such as parquet's and safetensors' look at it.
    """
    if is_remote(path):
        with uploading(path) as local:
            yield local
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
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
    retired = path.with_name(f".{path.stem}.{os.getpid()}.retired{path.suffix}")
    _remove(retired)
    os.replace(path, retired)
    os.replace(temporary, path)
    _remove(retired)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
