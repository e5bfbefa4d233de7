"""The cores that a process may use are read from what Linux says about its processors."""

import os
from pathlib import Path

import pytest

from prn_pipeline.processes import processor_cores
from prn_pipeline.processes.processor_cores import usable_cores


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that describes four processors; the process may use them all."""
    monkeypatch.setattr(processor_cores, "PROCESSORS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    return tmp_path


def describe(machine: Path, siblings: list[str]) -> None:
    for processor, text in enumerate(siblings):
        folder = machine / f"cpu{processor}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(text + "\n")


@pytest.mark.parametrize(
    ("siblings", "cores"),
    [
        (["0", "1", "2", "3"], [{0}, {1}, {2}, {3}]),
        (["0,2", "1,3", "0,2", "1,3"], [{0, 2}, {1, 3}]),
        (["0-1", "0-1", "2-3", "2-3"], [{0, 1}, {2, 3}]),
        (["0-1,8", "0-1,8", "2,9-10", "3"], [{0, 1}, {2}, {3}]),
        (["", "x", "2-", "3"], [{0}, {1}, {2}, {3}]),
    ],
)
def test_processors_of_one_core_are_together(machine: Path, siblings: list[str], cores: list[set[int]]) -> None:
    describe(machine, siblings)
    assert usable_cores() == cores


def test_each_processor_is_a_core_where_linux_does_not_say(machine: Path) -> None:
    assert usable_cores() == [{0}, {1}, {2}, {3}]


def test_processors_that_the_process_may_not_use_are_left_out(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(machine, ["0-1", "0-1", "2-3", "2-3"])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2, 3})
    assert usable_cores() == [{1}, {2, 3}]
