"""SIGTERM and Ctrl-C end a command gracefully, each with its own exit code, and can be held back for a moment."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from prn_pipeline.processes.exit_codes import INTERRUPTED, TERMINATED, ExitError

#: What can end a command, and the timer with which `graceful_shutdown` delays it.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
#: Packages and modules in which an exception between any two instructions does lasting damage. SQLAlchemy would keep
#: a lock that all threads then wait for, or a transaction; `logging` a lock; and a file that `torch.save` writes would
#: be closed before its archive ends, which aborts the process.
DELICATE = ("logging", "sqlalchemy", "torch.serialization")
#: Seconds between two looks whether a signal can act, and seconds after which it acts wherever the process is.
LOOK_SECONDS, LATEST_SECONDS = 0.02, 10.0


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. Code that cleans up after Ctrl-C cleans up after SIGTERM too."""


@contextmanager
def graceful_shutdown() -> Iterator[None]:
    """Turn SIGTERM into an exception like Ctrl-C's, and both into an error with an exit code.

    Neither interrupts what is `DELICATE`. A Ctrl-C that this process ignores, as a shell's background job does, stays
    ignored.

    Raises:
        ExitError: SIGTERM (`TERMINATED`) or Ctrl-C (`INTERRUPTED`) arrived.
    """
    shutdown = _Shutdown()
    handlers = {signal.SIGTERM: shutdown.begin, signal.SIGINT: shutdown.begin, signal.SIGALRM: shutdown.look}
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        del handlers[signal.SIGINT]
    before = [(number, signal.signal(number, handler)) for number, handler in handlers.items()]
    try:
        yield
        shutdown.act()
    except Terminated:
        raise ExitError("ended by SIGTERM: the next start continues", TERMINATED) from None
    except KeyboardInterrupt:
        raise ExitError("interrupted: the next start continues", INTERRUPTED) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _put_back(before)


class _Shutdown:
    """A signal that becomes an exception as soon as that does no damage."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._latest = 0.0

    def begin(self, number: int, frame: FrameType | None) -> None:
        """Handle SIGINT and SIGTERM; the last one that arrives names the exit code."""
        if self._number is None:
            self._latest = time.monotonic() + LATEST_SECONDS
        self._number = number
        self.look(number, frame)

    def look(self, _: int, frame: FrameType | None) -> None:
        """Raise the exception of the signal that has arrived, or look again soon."""
        if self._number is not None and time.monotonic() < self._latest and _is_delicate(frame):
            signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS)
        else:
            self.act()

    def act(self) -> None:
        """Raise the exception of the signal that has arrived, if one has."""
        number, self._number = self._number, None
        if number is not None:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _is_delicate(frame: FrameType | None) -> bool:
    """Whether one of the functions that run is `DELICATE`."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__"))
        if any(name == one or name.startswith(f"{one}.") for one in DELICATE):
            return True
        frame = frame.f_back
    return False


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let `ENDING` signals wait until the block ends: for a few lines that an exception must not leave half done.

    An exception of a signal is lost in a function that C code calls. Only the main thread gets signals, so in others
    there is nothing to do; signals that Python does not handle act at once.
    """
    arrived: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    handled = [number for number in ENDING if main and callable(signal.getsignal(number))]
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
