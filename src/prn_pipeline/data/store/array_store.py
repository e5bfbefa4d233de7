"""Arrays of samples on disk: Zarr, one chunk per sample, many chunks per file, written and read in batches.

A store is a Zarr group of named arrays whose first axis is the sample. Row i of every store of a data set belongs to
row i of its manifest, so stores need no ids of their own; the attribute `samples` identifies the manifest.

Every chunk and every index of a shard has a CRC-32C, and chunks of zeros are written too, so that absence means loss.
The description of the store lists its files and what chunks each has (`contents`). So a store is read as it was
written, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.array_spec import ArrayConfigLike

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.data.store.complete_store import CompleteStore
from prn_pipeline.data.store.contents import DESCRIPTION, read_description, write_description
from prn_pipeline.data.store.locations import is_remote, marked_last, zarr_store
from prn_pipeline.data.store.shard_sizes import SHARD_ROWS, rows_in_memory
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import rerun

Batch = dict[str, np.ndarray]

#: Zeros are written as any other values.
WRITING: ArrayConfigLike = {"write_empty_chunks": True}


@dataclass(frozen=True)
class ArrayStream:
    """Arrays on their way to disk, computed while they are written.

    Attributes:
        batches: dicts of equal keys; each value is one array (B, ...). B may be any length and may vary.
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
        if not (path / DESCRIPTION).is_file():
            raise UserError(f"no array store at {path}: {rerun(path)}")
        try:
            description = read_description(path)
            self.attributes = description.attributes
            group = CompleteStore(zarr_store(path), description.digests)
            self._arrays = {name: zarr.open_array(group, path=name, mode="r") for name in description.arrays}
        except Exception as error:  # besides checksums, anything may be wrong in a store that others have written
            raise UserError(f"{path} is not a readable array store ({error}): delete it and {rerun(path)}") from error

    def __reduce__(self) -> tuple[type[ArrayStore], tuple[Path]]:
        return ArrayStore, (self.path,)  # another process opens the store itself

    def __len__(self) -> int:
        return next(iter(self._arrays.values())).shape[0]

    @property
    def names(self) -> list[str]:
        """Names of the arrays, sorted."""
        return sorted(self._arrays)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one array, the first axis being the sample."""
        return self._arrays[name].shape

    def dtype(self, name: str) -> np.dtype[Any]:
        """Data type of one array."""
        return self._arrays[name].dtype

    def read(self, name: str, rows: Sequence[int] | np.ndarray | slice) -> np.ndarray:
        """Rows of one array, in the order of `rows`."""
        array = self._arrays[name]
        try:
            if isinstance(rows, slice):
                return np.asarray(array[rows])
            rows = np.asarray(rows, dtype=np.int64)
            if rows.size and (np.diff(rows) == 1).all():  # consecutive rows are one read
                return np.asarray(array[int(rows[0]) : int(rows[-1]) + 1])
            return np.asarray(array.oindex[rows])
        except (ValueError, RuntimeError, FileNotFoundError) as error:
            raise UserError(f"{self.path} is damaged ({name}: {error}): {rerun(self.path)}") from error


def shards(rows: np.ndarray, maps_per_image: int = 1) -> Iterator[np.ndarray]:
    """The rows in groups of about `SHARD_ROWS`: what a stage holds in memory at a time.

    Args:
        rows: (n,).
        maps_per_image: neighbouring rows that belong to one image and stay in one group.
    """
    size = rows_in_memory(maps_per_image)
    return (rows[start : start + size] for start in range(0, len(rows), size))


def write_arrays(path: Path, stream: ArrayStream) -> int:
    """Write a stream to `path`; an old store is replaced only after the last row.

    Returns:
        The number of rows written.

    Raises:
        UserError: the stream is empty.
    """
    arrays: dict[str, zarr.Array] = {}
    with new_store(path, stream.attributes) as folder:
        rows = 0
        for batch in in_shards(stream.batches):
            for name, values in batch.items():
                if name not in arrays:
                    arrays[name] = create_array(folder, name, values)
                arrays[name].resize((rows + len(values), *values.shape[1:]))
                arrays[name][rows : rows + len(values)] = values
            rows += len(next(iter(batch.values())))
        if not rows:
            raise UserError(f"nothing to write to {path}: the stage gave no samples; check its inputs and run it again")
    return rows


@contextmanager
def new_store(path: Path, attributes: dict[str, Any]) -> Iterator[Path]:
    """Folder to create the arrays of a store in; the finished store is at `path` when the context ends normally."""
    if is_remote(path):
        with marked_last(path, DESCRIPTION):
            yield path
            write_description(path, attributes)
        return
    with atomic_write(path) as temporary:
        temporary.mkdir()
        yield temporary
        write_description(temporary, attributes)


def create_array(folder: Path, name: str, values: np.ndarray, rows: int = 0) -> zarr.Array:
    """An array of `rows` rows of zeros, with the dtype and row shape of `values` (n, ...).

    Args:
        folder: what `new_store` gave.
        name: of the array.
        values: any number of rows, also none.
        rows: length of the new array.
    """
    sample = values.shape[1:]
    return zarr.create_array(
        zarr_store(folder / name),  # not through the group of the store: in a bucket it is written last
        shape=(rows, *sample),
        dtype=values.dtype,
        chunks=(1, *sample),
        shards=(SHARD_ROWS, *sample),
        fill_value=0,
        compressors=[ZstdCodec(level=0), Crc32cCodec()],
        config=WRITING,
    )


def open_for_writing(folder: Path, name: str) -> zarr.Array:
    """An array that `create_array` has created in `folder`, perhaps in another process."""
    return zarr.open_array(zarr_store(folder / name), mode="r+").with_config(WRITING)


def in_shards(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Regroup batches so that each but the last fills one shard."""
    held: list[Batch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += len(next(iter(batch.values())))
        if count >= SHARD_ROWS:
            joined = {name: np.concatenate([some[name] for some in held]) for name in batch}
            full = count - count % SHARD_ROWS
            for start in range(0, full, SHARD_ROWS):
                yield {name: values[start : start + SHARD_ROWS] for name, values in joined.items()}
            held = [{name: values[full:] for name, values in joined.items()}] if count > full else []
            count -= full
    if held:
        yield {name: np.concatenate([some[name] for some in held]) for name in held[0]}
