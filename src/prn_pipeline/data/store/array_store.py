"""Arrays of samples on disk: Zarr, one chunk a sample, many chunks a file, written and read in batches.

A store is a Zarr group of named arrays whose first axis is the sample. Row i of every store of a data set belongs to
row i of its manifest, so stores need no ids of their own; the attribute `samples` says which manifest that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.locations import described_last, is_remote, zarr_store
from prn_pipeline.errors import UserError

Batch = dict[str, np.ndarray]

#: Samples in one file of a store. A batch that is as long as a shard is written without reading it back.
SHARD_ROWS = 32


@dataclass(frozen=True)
class ArrayStream:
    """Arrays on their way to disk: nothing is computed before the store asks for it.

    Attributes:
        batches: dicts of equal keys; each value is one array (B, ...), B <= `SHARD_ROWS` or any other length.
        attributes: JSON-serialisable facts, stored with the arrays.
    """

    batches: Iterable[Batch]
    attributes: dict[str, Any] = field(default_factory=dict)


class ArrayStore:
    """A store on disk, read only.

    Args:
        path: folder of the Zarr group; see `locations.location`.

    Raises:
        UserError: there is no store at `path`, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "zarr.json").is_file():
            raise UserError(f"no array store at {path}: run the pipeline that makes it first")
        try:
            group = zarr.open_group(zarr_store(path), mode="r")
            self._arrays: dict[str, zarr.Array] = dict(group.arrays())
            self.attributes: dict[str, Any] = dict(group.attrs)
        except Exception as error:
            raise UserError(
                f"{path} is not a readable array store ({error}): delete it and run its pipeline"
            ) from error
        if not self._arrays:
            raise UserError(f"{path} holds no arrays: delete it and run its pipeline again")

    def __reduce__(self) -> tuple[type[ArrayStore], tuple[Path]]:
        return ArrayStore, (self.path,)  # another process opens it for itself

    def __len__(self) -> int:
        return next(iter(self._arrays.values())).shape[0]

    @property
    def names(self) -> list[str]:
        """Names of the arrays."""
        return sorted(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one array, the first axis being the sample."""
        return self._arrays[name].shape

    def dtype(self, name: str) -> np.dtype[Any]:
        """Type of the values of one array."""
        return self._arrays[name].dtype

    def read(self, name: str, rows: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Rows of one array, in the order asked for."""
        array = self._arrays[name]
        if isinstance(rows, slice):
            return np.asarray(array[rows])
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (np.diff(rows) == 1).all():  # a run of neighbours is one read
            return np.asarray(array[int(rows[0]) : int(rows[-1]) + 1])
        return np.asarray(array.oindex[rows])


def shards(rows: np.ndarray, together: int = 1) -> Iterator[np.ndarray]:
    """The rows in parts of about `SHARD_ROWS`: what a stage holds in memory at a time.

    Args:
        rows: (n,).
        together: so many neighbours are never torn apart.
    """
    size = rows_together(together)
    return (rows[start : start + size] for start in range(0, len(rows), size))


def rows_together(together: int) -> int:
    """Rows that a stage holds in memory at a time: about `SHARD_ROWS`, a multiple of `together`."""
    return max(1, SHARD_ROWS // together) * together


def write_arrays(path: Path, stream: ArrayStream) -> int:
    """Write a stream to `path`, replacing what is there only when all of it has been written.

    Returns:
        The number of rows written.

    Raises:
        UserError: the stream is empty.
    """
    arrays: dict[str, zarr.Array] = {}
    with new_store(path, stream.attributes) as place:
        rows = 0
        for batch in in_shards(stream.batches):
            for name, values in batch.items():
                if name not in arrays:
                    arrays[name] = create_array(place, name, values)
                arrays[name].resize((rows + len(values), *values.shape[1:]))
                arrays[name][rows : rows + len(values)] = values
            rows += len(next(iter(batch.values())))
        if not rows:
            raise UserError(f"nothing to write to {path}: the stage before it gave no samples")
    return rows


@contextmanager
def new_store(path: Path, attributes: dict[str, Any]) -> Iterator[Path]:
    """Where the arrays of a store are created and written; it is at `path`, whole, when the context ends well."""
    if is_remote(path):
        with described_last(path, attributes):
            yield path
        return
    with atomic_write(path) as temporary:
        zarr.create_group(temporary, attributes=attributes)
        yield temporary


def create_array(place: Path, name: str, values: np.ndarray, rows: int = 0) -> zarr.Array:
    """An array of `rows` rows that are like those of `values` (n, ...), in what `new_store` gave."""
    sample = values.shape[1:]
    return zarr.create_array(
        zarr_store(place / name),  # and not below the store's own group, which a bucket gets last
        shape=(rows, *sample),
        dtype=values.dtype,
        chunks=(1, *sample),
        shards=(SHARD_ROWS, *sample),
        fill_value=0,
    )


def in_shards(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Regroup batches so that each but the last fills one shard."""
    held: list[Batch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += len(next(iter(batch.values())))
        if count >= SHARD_ROWS:
            joined = {name: np.concatenate([part[name] for part in held]) for name in batch}
            whole = count - count % SHARD_ROWS
            for start in range(0, whole, SHARD_ROWS):
                yield {name: values[start : start + SHARD_ROWS] for name, values in joined.items()}
            held = [{name: values[whole:] for name, values in joined.items()}] if count > whole else []
            count -= whole
    if held:
        yield {name: np.concatenate([part[name] for part in held]) for name in held[0]}
