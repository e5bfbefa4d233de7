"""How stages spread their work: settings, and the interface of what does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prn_pipeline.data.store.array_store import SHARD_ROWS, rows_together

Result = TypeVar("Result")


#: Rows from the first to before the second.
RowRange = tuple[int, int]


class EngineSettings(BaseModel):
    """Who makes maps and pseudo-labels, and counts."""

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
            raise ValueError(f"address {self.address} is of a Dask scheduler: set kind to dask, or address to null")
        return self


class Engine(Protocol):
    """Does one thing to many parts."""

    def parts(self, rows: int, together: int = 1) -> list[RowRange]:
        """Rows 0 .. `rows` in parts; none tears apart what a plain run computes at once, nor a shard of a store.

        Args:
            rows: how many.
            together: so many neighbours belong to one image.
        """
        ...

    def run(self, work: Callable[[RowRange], Result], parts: Iterable[RowRange]) -> Iterator[Result]:
        """Results of `work`, in the order of the parts.

        Args:
            work: can be pickled, with all that it refers to; the same part twice does no harm.
            parts: what it is called with.
        """
        ...


class LocalEngine:
    """This process; all rows are one part."""

    def parts(self, rows: int, together: int = 1) -> list[RowRange]:
        """See `Engine`."""
        return [(0, rows)]

    def run(self, work: Callable[[RowRange], Result], parts: Iterable[RowRange]) -> Iterator[Result]:
        """See `Engine`."""
        return map(work, parts)


LOCAL = LocalEngine()


def whole_shards(rows: int, together: int, shards: int) -> list[RowRange]:
    """Parts of about `shards` shards, for processes that know nothing of one another.

    A part ends where a shard of the store ends, so that nobody else writes to that shard, and where a plain run would
    have begun a new batch, so that networks see the same batches and say the same to the last bit.
    """
    unit = math.lcm(SHARD_ROWS, rows_together(together))
    size = unit * max(1, shards * SHARD_ROWS // unit)
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def read_engine(settings: dict[str, Any]) -> EngineSettings:
    """The settings of a block of parameters."""
    return EngineSettings.model_validate(settings)
