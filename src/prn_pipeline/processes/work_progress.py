"""How far the work of this process has got, for whoever shows it; without a listener nothing happens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class ProgressListener(Protocol):
    """Is told of the work as it goes on; calls come from the thread that works."""

    def stage(self, name: str, number: int, stages: int) -> None:
        """Stage `number`, from 1, of `stages` begins."""
        ...

    def step(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of `what` are done; the same `what` has the same `total` until it is done."""
        ...


_listeners: list[ProgressListener] = []


@contextmanager
def progress_shown_by(listener: ProgressListener) -> Iterator[None]:
    """Tell `listener`, and no other, of the work within the context."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def begin_stage(name: str, number: int, stages: int) -> None:
    """See `ProgressListener.stage`."""
    if _listeners:
        _listeners[-1].stage(name, number, stages)


def report_step(what: str, done: int, total: int) -> None:
    """See `ProgressListener.step`."""
    if _listeners:
        _listeners[-1].step(what, done, total)


def counted(what: str, items: Iterable[Item], total: int | None = None) -> Iterator[Item]:
    """The items; each is reported as done when the next one is asked for.

    Args:
        what: for the report.
        items: their number is `total`, or their length.
    """
    if total is None:
        assert isinstance(items, Sized)
        total = len(items)
    for done, item in enumerate(items, 1):
        yield item
        report_step(what, done, total)
