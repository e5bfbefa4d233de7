"""Connects to Dask: to a scheduler that runs somewhere, or to workers started on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

from prn_pipeline.data.execution.dask_engine import DaskEngine
from prn_pipeline.data.execution.settings import EngineSettings
from prn_pipeline.errors import UserError

logger = logging.getLogger(__name__)

#: Level of Dask's own log. Below it come the steps of every connection, with tracebacks when one closes as it should.
LOG_LEVEL = logging.ERROR
GIB = 2**30


@contextmanager
def dask_engine(settings: EngineSettings) -> Iterator[DaskEngine]:
    """Engine of the scheduler at `settings.address`, or of workers that are started here and end with the context.

    Raises:
        UserError: no scheduler answers at the address, or it has no worker.
    """
    _quieten_dask()
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": f"{GIB}B"}):
        if settings.address is not None:
            with _connected(settings.address, settings.worker_timeout) as client:
                yield DaskEngine(client, settings)
            return
        with (
            LocalCluster(
                n_workers=settings.workers,
                threads_per_worker=1,
                processes=True,
                memory_limit="auto" if settings.memory is None else int(settings.memory * GIB),
                dashboard_address="127.0.0.1:0",
                silence_logs=LOG_LEVEL,
            ) as cluster,
            Client(cluster) as client,
        ):
            logger.info("%d Dask workers on this machine", settings.workers)
            yield DaskEngine(client, settings)


def _quieten_dask() -> None:
    """Log Dask's errors only, unless Dask's own configuration has a `logging` section.

    `LocalCluster(silence_logs=...)` does not reach a process whose root logger has handlers, such as a Kedro run. The
    level stays: connections close after the engine has.
    """
    if not dask.config.get("logging", default=None):
        logging.getLogger("distributed").setLevel(LOG_LEVEL)


@contextmanager
def _connected(address: str, worker_timeout: float) -> Iterator[Client]:
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
