"""The bar of a run says which stage runs and how far it is; log lines stay whole."""

import io
import logging
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from prn_pipeline.commands import run_progress as module
from prn_pipeline.commands.run_progress import RunProgress, run_progress
from prn_pipeline.processes.work_progress import begin_stage, counted, progress_shown_by, report_step


class Listener:
    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def stage(self, name: str, number: int, stages: int) -> None:
        self.calls.append((f"stage {name}", number, stages))

    def step(self, what: str, done: int, total: int) -> None:
        self.calls.append((what, done, total))


def test_work_is_reported_to_the_listener_alone_that_asked_last() -> None:
    outer, inner = Listener(), Listener()
    with progress_shown_by(outer):
        begin_stage("ingestion", 1, 7)
        with progress_shown_by(inner):
            assert list(counted("images", ["a", "b"])) == ["a", "b"]
        report_step("maps", 3, 4)
    report_step("maps", 4, 4)
    assert outer.calls == [("stage ingestion", 1, 7), ("maps", 3, 4)]
    assert inner.calls == [("images", 1, 2), ("images", 2, 2)]


def test_an_item_is_done_when_the_next_one_is_asked_for() -> None:
    listener = Listener()
    with progress_shown_by(listener):
        items = counted("images", (name for name in "ab"), 2)
        next(items)
        assert listener.calls == []
        next(items)
        assert listener.calls == [("images", 1, 2)]


def test_one_bar_shows_the_stage_and_its_steps() -> None:
    bar = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    shown = RunProgress(bar)
    shown.stage("base training", 2, 7)
    (task,) = bar.tasks
    assert (task.description, task.total) == ("2/7 base training", None)
    shown.step("training of base", 3, 10)
    shown.step("training of base", 4, 10)
    (task,) = bar.tasks
    assert (task.description, task.completed, task.total) == ("2/7 base training: training of base", 4, 10)
    shown.step("maps", 1, 5)
    shown.stage("evaluation", 6, 7)
    (task,) = bar.tasks
    assert (task.description, task.total) == ("6/7 evaluation", None)


def test_log_lines_are_printed_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(module, "Console", lambda stderr: Console(file=sys.stderr, force_terminal=True, width=80))
    handler, root = logging.StreamHandler(terminal), logging.getLogger()
    root.addHandler(handler)
    try:
        with run_progress():
            report_step("maps", 1, 5)
            root.warning("a line of the log")
            assert handler.stream is not terminal
        assert handler.stream is terminal
    finally:
        root.removeHandler(handler)
    assert "a line of the log\n" in terminal.getvalue()


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with run_progress():
        report_step("maps", 1, 5)
    assert capsys.readouterr().err == ""
