"""SIGTERM and Ctrl-C end a command gracefully, each with its own exit code, and can be held back for a moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

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


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block ends: for a few lines that an exception must not leave half done.

    An exception of a signal is lost in a function that C code calls. Only the main thread gets signals, so in others
    there is nothing to do; signals that Python does not handle act at once.
    """
    arrived: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    handled = [number for number in (signal.SIGINT, signal.SIGTERM) if main and callable(signal.getsignal(number))]
    before: list[tuple[int, Any]] = []
    try:
        for number in handled:
            before.append((number, signal.getsignal(number)))  # first, so that it is put back whatever happens here
            signal.signal(number, lambda number, _: arrived.append(number))
        yield
    finally:
        try:
            _put_back(before)
        finally:  # once more: a handler that is back may have raised before the other one was
            _put_back(before)
            for late in arrived:  # until one raises
                signal.raise_signal(late)


def _put_back(handlers: Iterable[tuple[int, Any]]) -> None:
    for number, handler in handlers:
        signal.signal(number, handler)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
