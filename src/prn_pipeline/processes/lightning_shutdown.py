"""Ctrl-C and SIGTERM during a Lightning training end the process as they do elsewhere."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.utilities.exceptions import SIGTERMException

from prn_pipeline.processes.exit_codes import TERMINATED


@contextmanager
def lightning_shutdown() -> Iterator[None]:
    """Wrap a call of Lightning's trainer: Ctrl-C raises KeyboardInterrupt, SIGTERM exits with `TERMINATED`.

    Lightning turns Ctrl-C into exit code 1 and ignores further ones. Its own exception for SIGTERM carries no exit
    code, so a scheduler would read the end of the process as success.
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
