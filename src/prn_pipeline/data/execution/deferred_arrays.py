"""Arrays that several processes make, each its own shards of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from prn_pipeline.data.execution.engine import open_engine
from prn_pipeline.data.execution.settings import EngineSettings, RowRange
from prn_pipeline.data.store.array_store import ArrayStream, Batch, create_array, in_shards, new_store
from prn_pipeline.data.store.locations import is_remote, zarr_store

#: Row numbers, ascending and without gaps -> those rows, in batches.
ArrayFactory = Callable[[np.ndarray], Iterable[Batch]]


@dataclass(frozen=True)
class DeferredArrays:
    """Arrays on their way to disk, part by part; `ArrayStream` is the same for one process.

    Attributes:
        make: the rows that it is asked for; can be pickled.
        rows: of the store.
        engine: who makes them.
        together: so many neighbours belong to one image.
        attributes: JSON-serialisable facts, stored with the arrays.
    """

    make: ArrayFactory
    rows: int
    engine: EngineSettings
    together: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)


def made_by(
    engine: EngineSettings, make: ArrayFactory, rows: int, attributes: dict[str, Any], together: int = 1
) -> ArrayStream | DeferredArrays:
    """Arrays of `rows` rows, to be made while they are stored."""
    if engine.kind == "local":
        return ArrayStream(make(np.arange(rows)), attributes)
    return DeferredArrays(make, rows, engine, together, attributes)


def write_parts(path: Path, arrays: DeferredArrays) -> None:
    """Write all parts to `path`, replacing what is there only when all of them have been written.

    A task makes whole shards and writes them: no two write one, and one that is done again writes the same bytes.

    Raises:
        UserError: see `Engine.run`.
    """
    with open_engine(arrays.engine) as engine, new_store(path, arrays.attributes) as place:
        # One image is made twice, to learn what arrays there are before anybody writes to them.
        (samples,) = engine.run(partial(_first, arrays.make), [(0, arrays.together)])
        for name, sample in samples.items():
            create_array(place, name, sample, arrays.rows)
        for _ in engine.run(partial(_write_part, arrays.make, place), engine.parts(arrays.rows, arrays.together)):
            pass
        if not is_remote(place):
            for left_behind in place.rglob("*.partial"):  # by a worker that was killed while it wrote
                left_behind.unlink()


def _first(make: ArrayFactory, part: RowRange) -> Batch:
    """Arrays without a row, which tell shape and dtype of one."""
    return {name: values[:0] for name, values in next(iter(make(np.arange(*part)))).items()}


def _write_part(make: ArrayFactory, place: Path, part: RowRange) -> None:
    arrays: dict[str, zarr.Array] = {}
    row = part[0]
    for batch in in_shards(make(np.arange(*part))):
        for name, values in batch.items():
            if name not in arrays:
                arrays[name] = zarr.open_array(zarr_store(place / name), mode="r+")
            arrays[name][row : row + len(values)] = values
        row += len(next(iter(batch.values())))
    assert row == part[1], f"rows {part} were asked for, and those before {row} were made"
