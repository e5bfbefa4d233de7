"""A bar under the log of a run: which stage it is in, how far that has got, and how long it will take."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from prn_pipeline.processes.work_progress import progress_shown_by


class RunProgress:
    """Shows the current stage and its steps in one bar; until a stage reports steps, the bar only moves.

    Args:
        bar: to show them in.
    """

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None
        self._what = ""
        self._stage = ""

    def stage(self, name: str, number: int, stages: int) -> None:
        """Begin a stage: the clock starts again."""
        self._stage = f"{number}/{stages} {name}"
        self._begin("", None)

    def step(self, what: str, done: int, total: int) -> None:
        """Move the bar; other work than before starts another clock."""
        if what != self._what or self._task is None:
            self._begin(what, total)
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total)

    def _begin(self, what: str, total: int | None) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._what = what
        self._task = self._bar.add_task(": ".join(text for text in (self._stage, what) if text), total=total)


@contextmanager
def run_progress(quiet: bool = False) -> Iterator[None]:
    """Show a bar below what is printed in the context, if standard error is a terminal and `quiet` is not set."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("/"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
    before = sys.stderr
    with bar, _logs_above(before), progress_shown_by(RunProgress(bar)):
        yield


@contextmanager
def _logs_above(before: object) -> Iterator[None]:
    """Let handlers that write to the terminal write above the bar, which has replaced standard error."""
    streams = (before, sys.__stderr__)
    handlers = [
        one
        for one in logging.getLogger().handlers
        if isinstance(one, logging.StreamHandler) and any(one.stream is stream for stream in streams)
    ]
    old = [one.setStream(sys.stderr) for one in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, old, strict=True):
            if stream is not None:
                handler.setStream(stream)
