"""SIGTERM and Ctrl-C end a command gracefully, each with its own exit code."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from prn_pipeline.processes.exit_codes import INTERRUPTED, TERMINATED, ExitError


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. Code that cleans up after Ctrl-C cleans up after SIGTERM too."""


@contextmanager
def graceful_shutdown() -> Iterator[None]:
    """Turn SIGTERM into an exception like Ctrl-C's, and both into an error with an exit code.

    Raises:
        ExitError: SIGTERM (`TERMINATED`) or Ctrl-C (`INTERRUPTED`) arrived.
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
