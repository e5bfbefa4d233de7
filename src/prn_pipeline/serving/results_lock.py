"""One process at a time writes into a folder of results: a second one waits, and then finds the images done."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from prn_pipeline.processes.locks import file_lock

logger = logging.getLogger(__name__)

#: Name of the lock in the folder of results; the last holder removes it.
LOCK = ".refined.lock"
#: Errors of disks without locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def results_lock(out: Path) -> Iterator[None]:
    """Hold the lock of a folder of results, which is made; one that is empty afterwards is removed if it was new.

    Two processes with one journal would each lose entries of the other. Where the disk of the folder has no locks, as
    some network disks have none, the block runs without one.
    """

    def warn() -> None:
        logger.warning("another process is writing results into %s: waiting until it ends", out)

    if out.exists() and not out.is_dir():
        yield  # whoever reads the journal says what is wrong
        return
    is_new = not out.exists()
    try:
        with ExitStack() as held:
            try:
                held.enter_context(file_lock(out / LOCK, warn))
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
            yield
    finally:
        if is_new:
            with suppress(OSError):  # it holds results
                out.rmdir()
