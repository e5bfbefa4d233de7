"""Signals wait while a few lines must finish, and are never lost."""

import signal
import threading
from collections.abc import Iterator

import pytest

from prn_pipeline.processes.exit_codes import TERMINATED, ExitError
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
