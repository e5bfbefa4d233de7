"""How a training ends that is told to end; Lightning makes other things of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities.exceptions import SIGTERMException

from prn_pipeline.processes.exit_codes import TERMINATED


@contextmanager
def lightning_shutdown() -> Iterator[None]:
    """Around what a trainer does: Ctrl-C stays KeyboardInterrupt, SIGTERM ends the process with `TERMINATED`.

    Lightning makes exit code 1 of Ctrl-C and ignores the next one; its own exception for SIGTERM has no code, and a
    scheduler would take that for success.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SIGTERMException:
        raise SystemExit(TERMINATED) from None
    except SystemExit as ended:
        if not isinstance(ended.__context__, KeyboardInterrupt):
            raise
        raise ended.__context__ from None
    finally:
        if before is not signal.SIG_IGN and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, before)
