"""One retraining or benchmark at a time in a project, which lets go of everything when it is told to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from prn_pipeline.layout.places import PROJECT_LOCK
from prn_pipeline.processes.exit_codes import ANOTHER_RUNS, INTERRUPTED, TERMINATED, ExitError


class Terminated(KeyboardInterrupt):
    """SIGTERM has come: what waits for Ctrl-C ends the stages that are running."""


@contextmanager
def project_lock(project: Path) -> Iterator[None]:
    """Hold the project's lock.

    Raises:
        ExitError: another process holds it.
    """
    file = project / PROJECT_LOCK
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file, timeout=0):
            yield
    except Timeout:
        raise ExitError(
            f"another prn retrain or prn benchmark is running in {project}: it holds {PROJECT_LOCK}", ANOTHER_RUNS
        ) from None


@contextmanager
def graceful_shutdown() -> Iterator[None]:
    """Make of SIGTERM what Ctrl-C is, and of either an exit code of its own.

    Raises:
        ExitError: one of them came.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except Terminated:
        raise ExitError("ended by SIGTERM: the next start continues", TERMINATED) from None
    except KeyboardInterrupt:
        raise ExitError("interrupted: the next start continues", INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
