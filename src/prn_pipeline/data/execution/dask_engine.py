"""Parts on Dask's workers: few at a time, so that neither the scheduler nor this process holds more than it must."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

import cloudpickle
import dask
from distributed import Client, Future, KilledWorker, LocalCluster, wait

from prn_pipeline.data.execution.settings import EngineSettings, Result, RowRange, whole_shards
from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)

#: Parts a worker that are submitted and not yet handed on: one that is worked on, others that wait.
RANGES_PER_WORKER = 3
#: Seconds between two looks whether any worker is left.
LOOK_AGAIN = 2.0
GIB = 2**30


class DaskEngine:
    """The workers of one scheduler.

    A part whose worker dies is given to another one. A part that several workers have died with is an error; the
    scheduler counts the parts that wait at a worker as it counts the one that is worked on, so the error may name a
    neighbour of the part that killed it.

    Args:
        client: of the scheduler.
        settings: of the engine.
    """

    def __init__(self, client: Client, settings: EngineSettings) -> None:
        self._client = client
        self._settings = settings

    def parts(self, rows: int, together: int = 1) -> list[RowRange]:
        """See `Engine`."""
        return whole_shards(rows, together, self._settings.shards)

    def run(self, work: Callable[[RowRange], Result], parts: Iterable[RowRange]) -> Iterator[Result]:
        """See `Engine`.

        Raises:
            UserError: workers die of a part, or are all gone, or so is the scheduler; and what `work` raises.
        """
        # A task and not scattered data: when the worker that holds it dies, the scheduler makes it again.
        shared = self._client.submit(cloudpickle.loads, cloudpickle.dumps(work), pure=False)
        submitted: list[tuple[RowRange, Future]] = []
        coming = iter(parts)
        try:
            while True:
                room = RANGES_PER_WORKER * max(1, len(self._client.nthreads())) - len(submitted)
                for part in itertools.islice(coming, max(0, room)):
                    submitted.append((part, self._client.submit(_done, shared, part, pure=False)))
                if not submitted:
                    return
                self._until_done(submitted[0][1])
                part, future = submitted.pop(0)
                yield _result(future, part)
        finally:
            self._client.cancel([shared, *(future for _, future in submitted)])

    def _until_done(self, future: Future) -> None:
        """Wait, but not for ever where nobody is left to do it."""
        deserted: float | None = None
        while not future.done():
            try:
                wait([future], timeout=LOOK_AGAIN)
            except TimeoutError:
                if self._client.nthreads():
                    deserted = None
                    continue
                deserted = deserted or time.monotonic()
                if time.monotonic() - deserted > self._settings.worker_timeout:
                    raise UserError(
                        f"no worker has answered at {self._client.scheduler.address} for"
                        f" {self._settings.worker_timeout:.0f} s: start some (`dask worker ADDRESS`) and run again"
                    ) from None


def _done(work: Callable[[RowRange], Result], part: RowRange) -> Result:
    return work(part)


def _result(future: Future, part: RowRange) -> Any:
    try:
        return future.result()
    except KilledWorker as error:
        raise UserError(
            f"{error.allowed_failures + 1} Dask workers died that had rows {part[0]} to {part[1]} to do; the likely"
            " reason is memory: raise engine.memory, lower engine.workers or the stage's batch_size; nothing was"
            " replaced"
        ) from error
    except (CancelledError, OSError) as error:
        if isinstance(error, OSError) and future.status == "error":
            raise  # the work's own
        raise UserError(f"the Dask scheduler is gone: start it and run again ({error})") from error


@contextmanager
def dask_engine(settings: EngineSettings) -> Iterator[DaskEngine]:
    """Workers of a scheduler that runs somewhere, or some on this machine that end with the context."""
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": f"{GIB}B"}):
        if settings.address is not None:
            with _client_of(settings.address, settings.worker_timeout) as client:
                yield DaskEngine(client, settings)
            return
        limit = "auto" if settings.memory is None else int(settings.memory * GIB)
        with (
            LocalCluster(
                n_workers=settings.workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=limit,
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.ERROR,
            ) as cluster,
            Client(cluster) as client,
        ):
            logger.info("%d Dask workers on this machine", settings.workers)
            yield DaskEngine(client, settings)


@contextmanager
def _client_of(address: str, worker_timeout: float) -> Iterator[Client]:
    try:
        client = Client(address, timeout=worker_timeout)
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler at engine.address = {address} ({error}): start one with `dask scheduler`, or set the"
            " address to null for workers on this machine"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=worker_timeout)
        except TimeoutError as error:
            raise UserError(
                f"the Dask scheduler at {address} has no worker after {worker_timeout:.0f} s: start some with"
                f" `dask worker {address} --nthreads 1`"
            ) from error
        logger.info("%d Dask workers at %s", len(client.nthreads()), address)
        yield client
