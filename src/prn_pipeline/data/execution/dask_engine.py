"""Row ranges on Dask workers: few at a time, so that neither the scheduler nor this process holds many results."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any
from uuid import uuid4

import cloudpickle
from distributed import Client, Future, KilledWorker, get_worker, wait

from prn_pipeline.data.execution.settings import EngineSettings, Result, RowRange, whole_shards
from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)

#: Row ranges for each worker that are submitted and whose results are not yet used: one is computed, the others wait.
RANGES_PER_WORKER = 3
#: Seconds between two checks whether the scheduler still has workers.
CHECK_WORKERS = 2.0
#: Seconds between two checks on a worker whether cancelled work has ended.
CHECK_CANCELLED = 0.05


class DaskEngine:
    """The workers of one scheduler.

    When a worker dies, another one computes its row range. A range with which several workers have died is an error.
    The scheduler blames every range that waits at a worker when it dies, so the error may name a neighbour of the
    range that killed it.

    Args:
        client: of the scheduler.
        settings: of the engine.
    """

    def __init__(self, client: Client, settings: EngineSettings) -> None:
        self._client = client
        self._settings = settings

    def row_ranges(self, rows: int, maps_per_image: int = 1) -> list[RowRange]:
        """See `Engine`."""
        return whole_shards(rows, maps_per_image, self._settings.shards)

    def run(self, work: Callable[[RowRange], Result], row_ranges: Iterable[RowRange]) -> Iterator[Result]:
        """See `Engine`.

        Raises:
            UserError: a row range killed its workers, no workers are left, or the scheduler is gone. What `work`
                raises is raised here too.
        """
        # A task and not scattered data: when the worker that holds it dies, the scheduler computes it again.
        shared = self._client.submit(cloudpickle.loads, cloudpickle.dumps(work), pure=False)
        # Dask estimates durations per prefix of keys, and moves no task that it takes for short to an idle worker.
        prefix = f"rows{uuid4().hex}"
        numbers = itertools.count()
        submitted: list[tuple[RowRange, Future]] = []
        waiting = iter(row_ranges)
        try:
            while True:
                room = RANGES_PER_WORKER * max(1, len(self._client.nthreads())) - len(submitted)
                for row_range in itertools.islice(waiting, max(0, room)):
                    key = f"{prefix}-{next(numbers)}"
                    submitted.append((row_range, self._client.submit(_compute, shared, row_range, key=key)))
                if not submitted:
                    return
                self._wait_for(submitted[0][1])
                row_range, future = submitted.pop(0)
                yield _result(future, row_range)
        finally:
            # With `shared` the scheduler cancels all tasks that depend on it, also those whose results were used.
            self._client.cancel([shared, *(future for _, future in submitted)])
            self._wait_until_ended(prefix)

    def _wait_for(self, future: Future) -> None:
        """Wait until a future is done; give up when there have been no workers for `worker_timeout`."""
        deserted: float | None = None
        while not future.done():
            try:
                wait([future], timeout=CHECK_WORKERS)
            except TimeoutError:
                if self._client.nthreads():
                    deserted = None
                    continue
                deserted = deserted or time.monotonic()
                if time.monotonic() - deserted > self._settings.worker_timeout:
                    raise UserError(
                        f"the Dask scheduler at {self._client.scheduler.address} has had no worker for"
                        f" {self._settings.worker_timeout:.0f} s: start some (`dask worker ADDRESS`) and run again"
                    ) from None

    def _wait_until_ended(self, prefix: str) -> None:
        """Wait until no worker is running a cancelled or repeated task any more.

        The scheduler forgets a cancelled task at once, but its thread goes on: it would write into a store that the
        caller already removes or replaces. So does a task that ends and is repeated because its worker dies before the
        result is fetched. A task that is pinned to a worker and submitted now sees when both have ended.
        """
        if self._client.status != "running":
            return
        try:
            checks = {
                address: self._client.submit(_until_ended, prefix, workers=[address], priority=1, pure=False)
                for address in self._client.nthreads()
            }
            while checks:
                try:
                    wait(list(checks.values()), timeout=CHECK_WORKERS)
                    return
                except TimeoutError:
                    alive = self._client.nthreads()
                    checks = {address: check for address, check in checks.items() if address in alive}
        except (OSError, CancelledError):
            logger.debug("the Dask scheduler is gone, and its workers with it", exc_info=True)


def _compute(work: Callable[[RowRange], Result], row_range: RowRange) -> Result | UserError:
    try:
        return work(row_range)
    except UserError as error:
        return error  # a value: Dask would log the traceback of an exception on the terminal of the worker


def _until_ended(prefix: str) -> None:
    executing = get_worker().state.executing  # also tasks that were cancelled while they ran
    while any(str(task.key).startswith(prefix) for task in list(executing)):
        time.sleep(CHECK_CANCELLED)


def _result(future: Future, row_range: RowRange) -> Any:
    try:
        result = future.result()
    except KilledWorker as error:
        raise UserError(
            f"{error.allowed_failures + 1} Dask workers died with rows {row_range[0]} to {row_range[1]}; the likely"
            " reason is memory: raise engine.memory, or lower engine.workers or the stage's batch_size; nothing was"
            " replaced"
        ) from error
    except (CancelledError, OSError) as error:
        if isinstance(error, OSError) and future.status == "error":
            raise  # by the work itself
        raise UserError(f"the Dask scheduler is gone ({error}): start it and run again") from error
    if isinstance(result, UserError):
        raise result
    return result
