"""A training by several processes equals that of one process with the same batches."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import psutil
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.processes.signals import Terminated
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.processes.failures import SHUTDOWN_SECONDS
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "images", "masks": "masks"}
MODEL = BaseModelSettings(architecture="unet", encoder="tu-mobilenetv3_small_050", encoder_weights=None)


@pytest.fixture(autouse=True)
def _pickle_classes_of_this_file() -> Iterator[None]:
    """The training processes cannot import this file."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def train(
    samples: Samples, folder: Path, processes: int, objective: Any = None, epochs: list[int] | None = None, **more: Any
) -> TrainingResult:
    settings = TrainingSettings.model_validate(
        {"epochs": 2, "batch_size": 4, "learning_rate": 0.003, "precision": "fp32", "accelerator": "cpu"}
        | {"processes": processes, "augmentation": {}, "optimizer": "sgd"}  # adam amplifies rounding errors
        | more
    )
    rows = samples.rows(["train"])
    val = samples.rows(["val", "test"])[:9]  # 4 + 4 + 1: a batch that two processes cannot halve
    return fit(
        partial(build_base_model, MODEL),
        objective or MaskObjective("bce_jaccard"),
        StoredSamples(samples, rows, ARRAYS),
        StoredSamples(samples, val, ARRAYS, memory=settings.memory_bytes),
        settings,
        seed=3,
        checkpoints=folder,
        listener=None if epochs is None else lambda epoch, _: epochs.append(epoch),
    )


@pytest.mark.long
def test_two_processes_give_the_weights_and_history_of_one(bright_squares: Samples, tmp_path: Path) -> None:
    epochs: list[int] = []
    one = train(bright_squares, tmp_path / "one", 1)
    two = train(bright_squares, tmp_path / "two", 2, epochs=epochs)
    assert epochs == [1, 2]
    assert list(two.history) == list(one.history)
    for column in ("epoch", "train_loss", "val_loss", "val_iou_micro", "learning_rate"):
        assert two.history[column].tolist() == pytest.approx(one.history[column].tolist(), rel=2e-3), column
    start = build_base_model(MODEL).state_dict()
    states = one.network.state_dict(), two.network.state_dict()
    assert list(states[0]) == list(states[1])
    moved = torch.cat([(states[0][name] - start[name]).flatten().float() for name in start])
    apart = torch.cat([(states[0][name] - states[1][name]).flatten().float() for name in start])
    assert apart.norm() < 0.01 * moved.norm()
    assert not two.network.training
    assert not list(tmp_path.iterdir()), "a finished training leaves no files"


@pytest.mark.long
def test_two_nodes_train_one_network(bright_squares: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The second node is this machine too: it runs the command that the first one logs."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        rendezvous = f"localhost:{free.getsockname()[1]}"
    caplog.set_level("INFO", logger="prn_pipeline")
    second_node = threading.Thread(target=run_the_logged_command, args=(caplog,))
    second_node.start()
    result = train(bright_squares, tmp_path / "c", 1, nodes=2, rendezvous=rendezvous)
    second_node.join()
    assert result.history["epoch"].tolist() == [1, 2]
    assert not list(tmp_path.iterdir())


def run_the_logged_command(log: pytest.LogCaptureFixture) -> None:
    while not (command := re.search(r"start on each of the other nodes: python (.*)", log.text)):
        time.sleep(0.1)
    subprocess.run([sys.executable, *command[1].split()], check=True, capture_output=True)


class DiesInOneProcess(MaskObjective):
    """The second process is killed at its first step, as the kernel does when memory runs out."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(network, batch)


@pytest.mark.long
def test_a_killed_process_ends_the_others_with_one_error(bright_squares: Samples, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match=r"a training process was killed .*lower batch_size"):
        train(bright_squares, tmp_path / "c", 2, objective=DiesInOneProcess("bce"))
    assert time.monotonic() - start < 300, "the other process does not wait for it"


class InterruptsTheRun(MaskObjective):
    """The run that started the processes gets a signal at the first step; all steps are slow."""

    sent = False

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if os.environ.get("RANK") == "0" and network.training:
            if not InterruptsTheRun.sent:
                InterruptsTheRun.sent = True
                os.kill(psutil.Process().parent().ppid(), signal.SIGUSR1)
            time.sleep(2)
        return super().__call__(network, batch)


@pytest.mark.long
@pytest.mark.parametrize("stopped", [KeyboardInterrupt, Terminated])
def test_an_interrupted_run_ends_its_processes(
    bright_squares: Samples, tmp_path: Path, stopped: type[BaseException]
) -> None:
    interrupted: list[float] = []

    def interrupt(number: int, frame: object) -> None:
        interrupted.append(time.monotonic())
        raise stopped

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(stopped):
            train(bright_squares, tmp_path / "c", 2, objective=InterruptsTheRun("bce"))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - interrupted[0] < SHUTDOWN_SECONDS, "the launcher did not have to kill them"
    folder = str(tmp_path / "c.processes")
    assert not [process for process in psutil.process_iter(["cmdline"]) if folder in (process.info["cmdline"] or [])]


class RaisesUserError(MaskObjective):
    """A user error that occurs in one process only."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if os.environ.get("RANK") == "1":
            raise UserError("fix this")
        return super().__call__(network, batch)


@pytest.mark.long
def test_a_user_error_of_a_process_is_raised_by_the_run(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^fix this$"):
        train(bright_squares, tmp_path / "c", 2, objective=RaisesUserError("bce"))


def test_batches_and_nodes_that_do_not_fit_the_processes_are_rejected() -> None:
    with pytest.raises(ValidationError, match="batch_size 8 is not divisible by 3 processes: use 6"):
        TrainingSettings(processes=3)
    with pytest.raises(ValidationError, match="several nodes need the host:port"):
        TrainingSettings(nodes=2)
    assert TrainingSettings(nodes=2, processes=2, rendezvous="head:29400").batch_size == 8


def test_pickled_samples_are_read_by_the_process_that_uses_them(bright_squares: Samples) -> None:
    rows = np.array([20, 3, 3, 11])
    samples = StoredSamples(bright_squares, rows, ARRAYS, folds=np.arange(4), memory=2**30)
    sent = cloudpickle.dumps(samples)
    assert len(sent) < 20_000, "rows and paths, no images"
    again = cloudpickle.loads(sent)
    assert all(torch.equal(again[index][key], samples[index][key]) for index in range(4) for key in samples[0])
