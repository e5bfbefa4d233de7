"""Two processes take turns at a folder of results."""

import errno
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from prn_pipeline.commands.user_errors import as_user_error
from prn_pipeline.serving import journal, results_lock
from prn_pipeline.serving.journal import NAME, Journal

HOLD = (
    "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
    " print('held', flush=True); input()"
)


def test_a_second_process_waits_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = tmp_path / results_lock.LOCK
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdin is not None
    other.stdout.readline()

    class Ends(logging.Handler):
        """Ends the other process when this one says that it waits."""

        def emit(self, record: logging.LogRecord) -> None:
            other.stdin.close()  # type: ignore[union-attr]

    results_lock.logger.addHandler(ends := Ends())
    try:
        with results_lock.results_lock(tmp_path):
            assert other.wait(30) is not None
    finally:
        results_lock.logger.removeHandler(ends)
    assert "another process is writing results into" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_without_results_does_not_stay(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), results_lock.results_lock(tmp_path / "out"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with results_lock.results_lock(tmp_path / "out"):
        (tmp_path / "out/refined.csv").touch()
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["refined.csv"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_written_to_without_one(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(results_lock, "file_lock", no_locks)
    with results_lock.results_lock(tmp_path / "out"):
        (tmp_path / "out").mkdir()
        (tmp_path / "out/refined.csv").touch()
    assert (tmp_path / "out/refined.csv").is_file()


def test_another_error_of_the_lock_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / ".refined.lock"))

    monkeypatch.setattr(results_lock, "file_lock", refuses)
    with pytest.raises(OSError, match="Read-only"), results_lock.results_lock(tmp_path):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_journal_on_a_full_disk_names_itself(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as caught:
        Journal(tmp_path, {"model": "a"}, "full")
    assert str(as_user_error(caught.value)).startswith(f"{tmp_path}/full: No space left on device; free some space")
    whole = Journal(tmp_path, {"model": "a"})
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as caught:
        whole.add({"name": "a"})
    assert str(as_user_error(caught.value)).startswith(f"{tmp_path}/{NAME}: No space")


def test_the_line_that_a_killed_process_left_is_cut_off_and_the_others_are_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Journal(tmp_path, {"model": "a"})
    before.add({"name": "é"})
    whole = (tmp_path / NAME).read_bytes()
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"name": "half')

    def fails(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(journal.Path, "write_text", fails)
    assert list(Journal(tmp_path, {"model": "a"}).entries) == ["é"]
    assert (tmp_path / NAME).read_bytes() == whole
