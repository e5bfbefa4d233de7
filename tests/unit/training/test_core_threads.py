"""While a network trains, each of PyTorch's threads has a core of its own; afterwards all run anywhere again."""

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.training import core_threads
from prn_pipeline.training.core_threads import core_for_each_thread
from tests.unit.training.small_training import train

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores"
)
CORES = os.sched_getaffinity(0) if sys.platform.startswith("linux") else set()


@pytest.fixture(autouse=True)
def _all_cores() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(len(CORES))
    yield
    torch.set_num_threads(threads)


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


def test_with_fewer_threads_than_cores_all_run_anywhere() -> None:
    torch.set_num_threads(len(CORES) - 1)
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


@pytest.mark.parametrize(("workers", "cores"), [(0, Counter(CORES)), (1, Counter())])
def test_a_training_has_a_core_for_each_thread_unless_workers_would_inherit_one(
    bright_squares: Samples, tmp_path: Path, workers: int, cores: Counter[int]
) -> None:
    found: list[Counter[int]] = []

    def objective(network: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        found.append(kept_cores())
        logits = network(batch["inputs"])
        return logits.mean(), logits

    train(bright_squares, tmp_path / "checkpoints", objective=objective, epochs=1, workers=workers)
    assert set(map(frozenset, (counter.items() for counter in found))) == {frozenset(cores.items())}
    assert kept_cores() == Counter()
