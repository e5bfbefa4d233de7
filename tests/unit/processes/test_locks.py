"""Locks lie in the project, exclude each other while their files come and go, and leave nothing."""

import multiprocessing
from contextlib import suppress
from pathlib import Path

import pytest

from prn_pipeline.processes.locks import checkpoint_lock, file_lock

PROCESSES, ROUNDS = 4, 40


def _count(file: Path, counter: Path) -> None:
    """Read, add one, write: lost whenever two processes hold the lock at the same time."""
    for _ in range(ROUNDS):
        with file_lock(file):
            counter.write_text(str(int(counter.read_text()) + 1))
        with suppress(OSError):  # another process has a lock in it, or has removed it
            file.parent.rmdir()


def test_no_two_processes_hold_a_lock_whose_file_each_of_them_removes(tmp_path: Path) -> None:
    (counter := tmp_path / "counter").write_text("0")
    start = multiprocessing.get_context("fork")
    processes = [start.Process(target=_count, args=(tmp_path / "locks/x.lock", counter)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert counter.read_text() == str(PROCESSES * ROUNDS)
    assert not list(tmp_path.rglob("*.lock"))


def test_the_lock_of_a_training_is_beside_its_checkpoints_and_goes_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere := tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    with checkpoint_lock(tmp_path / "checkpoints/base-0123"):
        assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == [".base-0123.lock"]
    assert not list((tmp_path / "checkpoints").iterdir())
    assert not list(elsewhere.iterdir())


def test_a_lock_file_that_a_killed_process_left_is_taken_and_removed(tmp_path: Path) -> None:
    (left := tmp_path / "x.lock").write_text("")
    with file_lock(left):
        assert left.exists()
    assert not left.exists()


def test_the_lock_is_released_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), file_lock(tmp_path / "x.lock"):
        raise ZeroDivisionError
    with file_lock(tmp_path / "x.lock", on_wait=lambda: pytest.fail("it is still held")):
        pass
