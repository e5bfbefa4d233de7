"""While a network trains, each of PyTorch's threads has a core of its own; afterwards all run anywhere again."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training import core_threads, trainer
from prn_pipeline.training.core_threads import core_for_each_thread
from tests.unit.training.small_training import train

CORES = os.sched_getaffinity(0) if sys.platform.startswith("linux") else set()
pytestmark = pytest.mark.skipif(len(CORES) != 2, reason="needs Linux and two processors")


@pytest.fixture(autouse=True)
def _all_cores() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(len(CORES))
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def ctrl_c_raises() -> Iterator[None]:
    """Python's own handler, also where the tests run in the background of a shell, which ignores Ctrl-C there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def kept_cores() -> Counter[int]:
    """How many of this process' threads must run on each core, of those that may run on no other."""
    allowed = [os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")]
    return Counter(next(iter(cores)) for cores in allowed if len(cores) == 1)


def test_each_thread_that_computes_has_another_core() -> None:
    with core_for_each_thread():
        torch.ones(1000, 1000) @ torch.ones(1000, 1000)
        assert kept_cores() == Counter(CORES)
    assert kept_cores() == Counter()


def test_threads_run_anywhere_again_after_an_error() -> None:
    with pytest.raises(RuntimeError, match="no loss"), core_for_each_thread():
        raise RuntimeError("no loss")
    assert kept_cores() == Counter()


def test_a_thread_that_was_started_meanwhile_is_not_left_on_one_core() -> None:
    end = threading.Event()
    with core_for_each_thread():
        started = threading.Thread(target=end.wait)
        started.start()
    assert started.native_id is not None
    found = os.sched_getaffinity(started.native_id)
    end.set()
    started.join()
    assert found == CORES


def test_a_thread_that_was_kept_on_one_core_before_stays_there() -> None:
    end, kept = threading.Event(), threading.Event()
    own: list[set[int]] = []

    def keep_to_one_core() -> None:
        os.sched_setaffinity(0, {min(CORES)})
        kept.set()
        end.wait()
        own.append(os.sched_getaffinity(0))

    thread = threading.Thread(target=keep_to_one_core)
    thread.start()
    kept.wait()
    with core_for_each_thread():
        pass
    end.set()
    thread.join()
    assert own == [{min(CORES)}]


def test_a_second_training_at_a_time_leaves_the_threads_of_the_first_alone() -> None:
    first_has_started, end = threading.Event(), threading.Event()

    def second_training() -> None:
        first_has_started.wait()
        with core_for_each_thread():
            torch.ones(1000, 1000) @ torch.ones(1000, 1000)
        end.set()

    second = threading.Thread(target=second_training)
    second.start()
    with core_for_each_thread():
        first_has_started.set()
        end.wait()
        assert kept_cores() == Counter(CORES)
    second.join()
    assert kept_cores() == Counter()


def test_where_a_thread_is_kept_from_a_core_the_others_run_anywhere() -> None:
    found = core_threads._openmp_threads()
    os.sched_setaffinity(found[-1], {min(CORES)})
    try:
        with core_for_each_thread():
            assert kept_cores() == Counter([min(CORES)])
        assert kept_cores() == Counter([min(CORES)])
    finally:
        os.sched_setaffinity(found[-1], CORES)


@pytest.mark.parametrize(
    ("cores", "threads", "given"),
    [
        ([{0, 2}, {1, 3}], 2, [{0, 2}, {1, 3}]),  # two processors a core: each thread has both
        ([{0, 1}], 2, [{0}, {1}]),
        ([{0}, {1}, {2}], 2, []),  # another process may have been given the third
        ([{0}, {1}, {2}, {3}], 4, []),  # OpenMP would replace some of four threads
        ([{0}, {1}], 1, []),
    ],
)
def test_two_threads_have_two_cores_if_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch, cores: list[set[int]], threads: int, given: list[set[int]]
) -> None:
    monkeypatch.setattr(core_threads, "usable_cores", lambda: list(map(frozenset, cores)))
    assert sorted(core_threads._core_for_each(threads), key=min) == given


def test_openmp_keeps_both_threads_where_a_layer_works_with_one() -> None:
    """Otherwise new ones would start on the core of this thread."""
    with core_for_each_thread():
        before = core_threads._openmp_threads()
        for batch in (1, 2, 3, 4):
            layer = nn.Conv2d(3, 8, 3, padding=1).to(memory_format=torch.channels_last)
            layer(torch.rand(batch, 3, 32, 32)).square().mean().backward()
        assert core_threads._openmp_threads() == before


@pytest.mark.usefixtures("ctrl_c_raises")
@pytest.mark.parametrize("when", ["given", "given back"])
def test_an_interruption_while_cores_change_hands_leaves_no_thread_on_one(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    allow = core_threads._allow
    inside: list[str] = []

    def interrupted(thread: int, processors: set[int]) -> None:
        if (when == "given back") == bool(inside):
            signal.raise_signal(signal.SIGINT)
        allow(thread, processors)

    monkeypatch.setattr(core_threads, "_allow", interrupted)
    with pytest.raises(KeyboardInterrupt), core_for_each_thread():
        inside.append("reached")
    assert kept_cores() == Counter()
    assert inside == ["reached"] * (when == "given back")


def test_with_one_thread_it_runs_anywhere() -> None:
    torch.set_num_threads(1)
    with core_for_each_thread():
        torch.ones(1000, 1000) @ torch.ones(1000, 1000)
        assert kept_cores() == Counter()


def test_without_gnu_openmp_all_run_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_threads, "LIBRARY", Path("libtorch_of_another_system.so"))
    with core_for_each_thread():
        assert kept_cores() == Counter()


def test_where_openmp_starts_fewer_threads_all_run_anywhere() -> None:
    asked = (
        "import os, torch\n"
        "from prn_pipeline.training.core_threads import core_for_each_thread\n"
        "torch.set_num_threads(len(os.sched_getaffinity(0)))\n"
        "with core_for_each_thread():\n"
        "    print(torch.get_num_threads(), sorted(os.sched_getaffinity(0)))\n"
    )
    few = os.environ | {"OMP_THREAD_LIMIT": "1"}
    done = subprocess.run([sys.executable, "-c", asked], env=few, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(CORES)} {sorted(CORES)}\n"


def test_where_the_system_forbids_it_all_run_anywhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    with core_for_each_thread():
        assert kept_cores() == Counter()
    assert capfd.readouterr() == ("", "")


def test_in_a_training_each_thread_has_a_core(bright_squares: Samples, tmp_path: Path) -> None:
    found: list[Counter[int]] = []

    def objective(network: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        found.append(kept_cores())
        logits = network(batch["inputs"])
        return logits.mean(), logits

    train(bright_squares, tmp_path / "checkpoints", objective=objective, epochs=1)
    assert found
    assert all(cores == Counter(CORES) for cores in found)
    assert kept_cores() == Counter()


def test_a_training_with_workers_gives_no_cores_which_they_would_inherit(
    bright_squares: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    given = mock.Mock(wraps=core_for_each_thread)
    monkeypatch.setattr(trainer, "core_for_each_thread", given)
    train(bright_squares, tmp_path / "checkpoints", epochs=1, workers=1)
    assert not given.called
    train(bright_squares, tmp_path / "other", epochs=1, workers=0)
    assert given.called
