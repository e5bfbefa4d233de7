"""How stages spread their work: the settings, and the interface of an engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prn_pipeline.data.store.shard_sizes import SHARD_ROWS, rows_in_memory

Result = TypeVar("Result")


#: First row, and the row after the last.
RowRange = tuple[int, int]


class EngineSettings(BaseModel):
    """What computes maps, pseudo-labels and counts: this process, or Dask workers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["local", "dask"] = Field("local", description="local: this process, one shard at a time")
    address: str | None = Field(
        None, description="of a Dask scheduler, tcp://host:8786; null: workers are started on this machine"
    )
    workers: int = Field(2, ge=1, description="processes to start where there is no address; one thread each")
    memory: float | None = Field(
        None, gt=0, description="GiB that a started process may use; null: its share of the machine"
    )
    shards: int = Field(4, ge=1, description="shards of a store that one task makes, or reads")
    worker_timeout: float = Field(60, gt=0, description="seconds to wait for a worker where there is none")

    @model_validator(mode="after")
    def _only_dask_has_an_address(self) -> EngineSettings:
        if self.kind == "local" and self.address is not None:
            raise ValueError(
                f"address {self.address} is that of a Dask scheduler: set kind to dask, or address to null"
            )
        return self


class Engine(Protocol):
    """Calls one function for many row ranges."""

    def row_ranges(self, rows: int, maps_per_image: int = 1) -> list[RowRange]:
        """Split rows 0 .. `rows` into ranges, one for each task.

        No range ends within a shard of a store, within an image, or within a batch of a plain run.

        Args:
            rows: number of rows.
            maps_per_image: neighbouring rows that belong to one image.
        """
        ...

    def run(self, work: Callable[[RowRange], Result], row_ranges: Iterable[RowRange]) -> Iterator[Result]:
        """Results of `work`, in the order of the ranges.

        When the iterator ends, also with an exception, no call of `work` is running any more.

        Args:
            work: can be pickled, with all that it refers to; a second call for the same range changes nothing.
            row_ranges: its arguments.
        """
        ...


class LocalEngine:
    """This process; all rows are one range."""

    def row_ranges(self, rows: int, maps_per_image: int = 1) -> list[RowRange]:
        """See `Engine`."""
        return [(0, rows)]

    def run(self, work: Callable[[RowRange], Result], row_ranges: Iterable[RowRange]) -> Iterator[Result]:
        """See `Engine`."""
        return map(work, row_ranges)


LOCAL = LocalEngine()


def whole_shards(rows: int, maps_per_image: int, shards: int) -> list[RowRange]:
    """Ranges of about `shards` shards, for processes that work independently.

    A range ends where a shard of the store ends, so that two processes never write to the same shard. It also ends
    where a plain run would have begun a new batch: networks see the same batches and give the same bits.
    """
    unit = math.lcm(SHARD_ROWS, rows_in_memory(maps_per_image))
    size = unit * max(1, shards * SHARD_ROWS // unit)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def read_engine(settings: dict[str, Any]) -> EngineSettings:
    """The settings of a block of parameters."""
    return EngineSettings.model_validate(settings)
