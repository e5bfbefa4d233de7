"""File locks: one retraining or benchmark per project, one training per folder of checkpoints.

The file of a lock lies beside what it protects, so that only those who may write there can hold it, and is removed by
the last holder. Removing it is safe while others wait: `filelock` opens the file for every attempt, and does not take
a lock on a file that has been removed in between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from filelock import BaseFileLock, FileLock, Timeout

from prn_pipeline.layout.places import PROJECT_LOCK
from prn_pipeline.processes.exit_codes import ALREADY_RUNNING, ExitError

logger = logging.getLogger(__name__)

#: Attempts at a lock whose folder others remove at the same time.
ATTEMPTS = 20


@contextmanager
def project_lock(project: Path) -> Iterator[None]:
    """Hold the project's lock, without waiting for it.

    Raises:
        ExitError: another process holds the lock (`ALREADY_RUNNING`).
    """
    file = project / PROJECT_LOCK
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file, timeout=0):
            yield
    except Timeout:
        raise ExitError(
            f"another prn retrain or prn benchmark is running in {project}: it holds {PROJECT_LOCK}", ALREADY_RUNNING
        ) from None


@contextmanager
def checkpoint_lock(checkpoints: Path) -> Iterator[None]:
    """Hold the lock of a checkpoint folder; wait while another process of this machine holds it.

    A training that ends removes its checkpoint folder, so two trainings must not share one at the same time. The lock
    file is beside that folder, which does not outlive the training.
    """

    def warn() -> None:
        logger.warning("another run is doing this training, in %s: waiting until it ends", checkpoints)

    with file_lock(checkpoints.with_name(f".{checkpoints.name}.lock"), warn):
        yield


@contextmanager
def file_lock(file: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock; wait while another process of this machine holds it. The file is removed when the block ends.

    Args:
        file: of the lock; its folder is made.
        on_wait: called once if the lock has to be waited for.
    """
    lock = FileLock(file, mode=0o666)  # other users who may write into the folder may lock it too
    try:
        _acquire(lock, file, timeout=0)
    except Timeout:
        on_wait()
        _acquire(lock, file, timeout=-1)
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while it is held: afterwards it may be the file of the next holder
        lock.release()


def _acquire(lock: BaseFileLock, file: Path, timeout: float) -> None:
    for attempt in range(ATTEMPTS):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():  # filelock would wait for ever for a file that cannot be made, as in /proc
                with TemporaryFile(dir=file.parent):
                    pass
            lock.acquire(timeout=timeout)
            return
        except (FileNotFoundError, FileExistsError):  # others remove the folder while it is made, or before its use
            if attempt == ATTEMPTS - 1:
                raise
