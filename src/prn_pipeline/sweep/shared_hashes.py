"""The hash of a file or folder, looked up once for all stages that depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dvc.dependency import Dependency
from dvc.output import Output


@contextmanager
def hashed_once() -> Iterator[None]:
    """Let dependencies of one path share the hash that the first of them finds, as long as the block lasts.

    DVC looks at the path for each stage again, and all stages of a benchmark depend on the same code. For a block that
    changes no dependency.
    """
    known: dict[tuple[str, ...], Any] = {}

    def get_hash(dependency: Dependency) -> Any:
        key = (dependency.fs.protocol, str(dependency.fs_path), dependency.hash_name)
        if key not in known:
            known[key] = Output.get_hash(dependency)
        return known[key]

    Dependency.get_hash = get_hash
    try:
        yield
    finally:
        del Dependency.get_hash
