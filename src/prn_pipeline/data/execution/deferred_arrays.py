"""Arrays that several processes compute; each process writes its own shards of the store."""

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
from prn_pipeline.data.store.array_store import ArrayStream, Batch, create_array, in_shards, new_store, open_for_writing
from prn_pipeline.data.store.locations import is_remote

#: Row numbers, ascending and without gaps -> those rows, in batches.
ArrayFactory = Callable[[np.ndarray], Iterable[Batch]]


@dataclass(frozen=True)
class DeferredArrays:
    """Arrays that an engine computes while they are stored; `ArrayStream` is the equivalent for one process.

    Attributes:
        make: computes the rows that it is given; can be pickled.
        rows: number of rows of the store.
        engine: settings of the engine that calls `make`.
        maps_per_image: neighbouring rows that belong to one image.
        attributes: JSON-serialisable facts, stored with the arrays.
    """

    make: ArrayFactory
    rows: int
    engine: EngineSettings
    maps_per_image: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)


def deferred_arrays(
    engine: EngineSettings, make: ArrayFactory, rows: int, attributes: dict[str, Any], maps_per_image: int = 1
) -> ArrayStream | DeferredArrays:
    """Arrays of `rows` rows that are computed while they are stored; see `DeferredArrays`."""
    if engine.kind == "local":
        return ArrayStream(make(np.arange(rows)), attributes)
    return DeferredArrays(make, rows, engine, maps_per_image, attributes)


def write_deferred_arrays(path: Path, arrays: DeferredArrays) -> None:
    """Compute all rows and write them to `path`; an old store is replaced only after the last row.

    A task computes whole shards and writes them: no two tasks write the same shard, and a task that runs again writes
    the same bytes.

    Raises:
        UserError: see `DaskEngine.run`.
    """
    with open_engine(arrays.engine) as engine, new_store(path, arrays.attributes) as folder:
        # The first image is computed twice, to learn names, shapes and dtypes before any worker writes.
        (samples,) = engine.run(partial(_without_rows, arrays.make), [(0, arrays.maps_per_image)])
        for name, sample in samples.items():
            create_array(folder, name, sample, arrays.rows)
        row_ranges = engine.row_ranges(arrays.rows, arrays.maps_per_image)
        for _ in engine.run(partial(_write_rows, arrays.make, folder), row_ranges):
            pass
        if not is_remote(folder):
            for left_behind in folder.rglob("*.partial"):  # by a worker that was killed while it wrote
                left_behind.unlink()


def _without_rows(make: ArrayFactory, row_range: RowRange) -> Batch:
    """Arrays of length 0 that have the dtype and the shape of a row."""
    return {name: values[:0] for name, values in next(iter(make(np.arange(*row_range)))).items()}


def _write_rows(make: ArrayFactory, folder: Path, row_range: RowRange) -> None:
    arrays: dict[str, zarr.Array] = {}
    row, end = row_range
    for batch in in_shards(make(np.arange(row, end))):
        for name, values in batch.items():
            if name not in arrays:
                arrays[name] = open_for_writing(folder, name)
            arrays[name][row : row + len(values)] = values
        row += len(next(iter(batch.values())))
    assert row == end, f"the array factory stopped at row {row} of rows {row_range[0]} to {end}"
