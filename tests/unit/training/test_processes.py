"""A training by several processes is that of one process with the same batches."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation import BaseModelSettings, build_base_model
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.training import processes
from prn_pipeline.training.job import Trained
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "images", "masks": "masks"}
MODEL = BaseModelSettings(architecture="unet", encoder="tu-mobilenetv3_small_050", encoder_weights=None)


@pytest.fixture(autouse=True)
def _sent_along() -> Iterator[None]:
    """Classes of this file, which the other processes cannot import."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def train(
    samples: Samples, folder: Path, processes: int, objective: Any = None, told: list[int] | None = None, **more: Any
) -> Trained:
    settings = TrainingSettings.model_validate(
        {"epochs": 2, "batch_size": 4, "learning_rate": 0.003, "precision": "fp32", "accelerator": "cpu"}
        | {"processes": processes, "augmentation": {}, "optimizer": "sgd"}  # adam makes much of rounding
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
        listener=None if told is None else lambda epoch, _: told.append(epoch),
    )


def test_two_processes_give_the_weights_and_history_of_one(bright_squares: Samples, tmp_path: Path) -> None:
    told: list[int] = []
    one = train(bright_squares, tmp_path / "one", 1)
    two = train(bright_squares, tmp_path / "two", 2, told=told)
    assert told == [1, 2]
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
    assert not list(tmp_path.iterdir()), "nothing is left of a finished training"


class DiesInOneProcess(MaskObjective):
    """The second process is killed at its first step, as the kernel does when memory runs out."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(network, batch)


def test_a_process_that_is_killed_ends_all_in_one_error(bright_squares: Samples, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(UserError, match=r"a training process was killed .*lower batch_size"):
        train(bright_squares, tmp_path / "c", 2, objective=DiesInOneProcess("bce"))
    assert time.monotonic() - start < 300, "the other one does not wait for it"


@pytest.mark.parametrize(
    ("log", "kind"),
    [
        ("[1]:\n  rank      : 1 (local_rank: 1)\n  exitcode  : -9 (pid: 41)\n", UserError),
        ("[0]:\n  rank      : 0 (local_rank: 0)\n  exitcode  : 1 (pid: 40)\n", RuntimeError),
    ],
)
def test_a_lost_connection_is_not_the_cause_where_a_process_was_killed(
    log: str, kind: type[Exception], tmp_path: Path
) -> None:
    (tmp_path / processes.LOG).write_text(log)
    (tmp_path / processes.FAILURE.format(rank=0)).write_text('{"mistake": false, "message": "Connection closed"}')
    assert type(processes.failure("training", tmp_path, 1)) is kind


class Refuses(MaskObjective):
    """What a user can mend, found in one process only."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if os.environ.get("RANK") == "1":
            raise UserError("mend this")
        return super().__call__(network, batch)


def test_what_a_process_refuses_is_said_here(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^mend this$"):
        train(bright_squares, tmp_path / "c", 2, objective=Refuses("bce"))


def test_settings_that_processes_cannot_share_are_refused() -> None:
    with pytest.raises(ValidationError, match="batch_size 8 cannot be shared by 3 processes: use 6"):
        TrainingSettings(processes=3)
    with pytest.raises(ValidationError, match="go together"):
        TrainingSettings(nodes=2)
    assert TrainingSettings(nodes=2, processes=2, rendezvous="head:29400").batch_size == 8


def test_samples_are_read_by_the_process_that_uses_them(bright_squares: Samples) -> None:
    rows = np.array([20, 3, 3, 11])
    samples = StoredSamples(bright_squares, rows, ARRAYS, folds=np.arange(4), memory=2**30)
    sent = cloudpickle.dumps(samples)
    assert len(sent) < 20_000, "rows and paths, no pictures"
    again = cloudpickle.loads(sent)
    assert all(torch.equal(again[index][key], samples[index][key]) for index in range(4) for key in samples[0])
