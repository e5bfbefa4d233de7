"""MLflow runs of a process that is interrupted or terminated end as KILLED."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from prn_pipeline.processes.signals import ENDING

logger = logging.getLogger(__name__)


@contextmanager
def kill_open_runs() -> Iterator[None]:
    """End open MLflow runs as KILLED when Ctrl-C, SIGTERM or `sys.exit` ends the block; Kedro calls no hook then.

    Further signals are ignored meanwhile: MLflow would end a run that is still open at exit as FINISHED.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
        try:
            _kill_runs()
        except Exception as error:  # any error of a server that is away: the process's exit code matters more
            logger.warning("the open MLflow runs could not be ended as KILLED: %s", error)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        raise


def _kill_runs() -> None:
    mlflow = sys.modules.get("mlflow")  # a process that has not imported it has no open run
    while mlflow is not None and mlflow.active_run() is not None:
        mlflow.end_run("KILLED")
