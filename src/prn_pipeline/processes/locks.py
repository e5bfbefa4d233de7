"""File locks: one retraining or benchmark per project, one training per folder of checkpoints."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from prn_pipeline.layout.places import PROJECT_LOCK
from prn_pipeline.processes.exit_codes import ALREADY_RUNNING, ExitError

logger = logging.getLogger(__name__)


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
    file is in the system's temporary folder, because the checkpoint folder does not outlive the training.
    """
    key = hashlib.sha256(str(checkpoints.absolute()).encode()).hexdigest()[:16]
    lock = FileLock(Path(tempfile.gettempdir()) / f"prn-{key}.lock", mode=0o666)  # other users may lock it too
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.warning("another run is doing this training, in %s: waiting until it ends", checkpoints)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
