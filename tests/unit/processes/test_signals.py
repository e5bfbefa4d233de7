"""Signals wait while a few lines must finish, and are never lost."""

import io
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import create_engine, text
from sqlalchemy.pool import QueuePool

from prn_pipeline.processes import signals
from prn_pipeline.processes.exit_codes import INTERRUPTED, TERMINATED, ExitError
from prn_pipeline.processes.signals import graceful_shutdown, signals_held_back


def in_the_block(number: int, error: Exception | None = None) -> None:
    """Send a signal within a block, and go on."""
    with signals_held_back():
        signal.raise_signal(number)
        DONE.append(number)
        if error is not None:
            raise error


#: The signals after which a block went on.
DONE: list[int] = []


@pytest.fixture(autouse=True)
def _ctrl_c_raises() -> Iterator[None]:
    """Python's own handler, also where the tests run in the background of a shell, which ignores Ctrl-C there."""
    DONE.clear()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_until_the_block_has_ended() -> None:
    with pytest.raises(KeyboardInterrupt):
        in_the_block(signal.SIGINT)
    assert [signal.SIGINT] == DONE
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_termination_that_waited_has_its_exit_code() -> None:
    with pytest.raises(ExitError) as ended, graceful_shutdown():
        in_the_block(signal.SIGTERM)
    assert [signal.SIGTERM] == DONE
    assert ended.value.exit_code == TERMINATED


def test_an_error_of_the_block_ends_the_waiting_too() -> None:
    with pytest.raises(KeyboardInterrupt) as ended:
        in_the_block(signal.SIGINT, ValueError("in the block"))
    assert isinstance(ended.value.__context__, ValueError)


def test_a_thread_that_gets_no_signals_changes_no_handler() -> None:
    found: list[object] = []

    def look() -> None:
        with signals_held_back():
            found.append(signal.getsignal(signal.SIGINT))

    other = threading.Thread(target=look)
    other.start()
    other.join()
    assert found == [signal.default_int_handler]


def in_module(name: str, number: int, go_on: Callable[[], object]) -> None:
    """Send a signal while a function of a module runs, which then goes on."""
    code: dict[str, Any] = {"__name__": name, "raise_signal": signal.raise_signal}
    exec("def function(number, go_on):\n    raise_signal(number)\n    go_on()", code)
    code["function"](number, go_on)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
@pytest.mark.parametrize("module", ["sqlalchemy", "sqlalchemy.util.queue", "torch.serialization"])
def test_what_a_signal_would_damage_ends_first(module: str, number: int, code: int) -> None:
    def go_on() -> None:
        time.sleep(0.1)  # the process looks meanwhile whether the signal can act
        DONE.append(number)

    def run() -> None:
        in_module(module, number, go_on)
        time.sleep(60)
        pytest.fail("the signal was lost")

    with pytest.raises(ExitError) as ended, graceful_shutdown():
        run()
    assert [number] == DONE
    assert ended.value.exit_code == code


@pytest.mark.parametrize("module", ["sqlalchemy_utils", "training", "torch.nn"])
def test_a_signal_acts_at_once_elsewhere(module: str) -> None:
    with pytest.raises(ExitError), graceful_shutdown():
        in_module(module, signal.SIGINT, lambda: DONE.append(signal.SIGINT))
    assert DONE == []


def test_a_signal_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "LATEST_SECONDS", 0.1)
    with pytest.raises(ExitError), graceful_shutdown():
        in_module("sqlalchemy", signal.SIGINT, lambda: time.sleep(60))
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_signal_that_waits_at_the_end_of_the_block_is_not_lost() -> None:
    with pytest.raises(ExitError) as ended, graceful_shutdown():
        in_module("sqlalchemy", signal.SIGTERM, lambda: DONE.append(signal.SIGTERM))
    assert ended.value.exit_code == TERMINATED
    assert [signal.SIGTERM] == DONE


def test_a_job_in_the_background_of_a_shell_still_ignores_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with graceful_shutdown():
        in_module("training", signal.SIGINT, lambda: DONE.append(signal.SIGINT))
    assert [signal.SIGINT] == DONE
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_ctrl_c_leaves_no_lock_of_the_tracking_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/mlflow.db", poolclass=QueuePool)

    def use() -> None:
        with engine.connect() as connection:
            connection.execute(text("select 1"))

    def leave(condition: threading.Condition, *error: Any) -> Any:
        if not DONE:
            DONE.append(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return released(condition, *error)

    released = threading.Condition.__exit__
    use()
    monkeypatch.setattr(threading.Condition, "__exit__", leave)
    with pytest.raises(ExitError), graceful_shutdown():
        use()
    assert [signal.SIGINT] == DONE
    other = threading.Thread(target=use, daemon=True)
    other.start()
    other.join(10)
    assert not other.is_alive(), "a lock was left, for which every thread waits"


def test_ctrl_c_leaves_no_half_written_archive() -> None:
    class File(io.BytesIO):
        def write(self, data: Any) -> int:
            if not DONE:
                DONE.append(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return super().write(data)

    file = File()
    with pytest.raises(ExitError), graceful_shutdown():
        torch.save({"ones": torch.ones(1000)}, file)
    assert [signal.SIGINT] == DONE
    file.seek(0)
    assert torch.load(file)["ones"].sum() == 1000
