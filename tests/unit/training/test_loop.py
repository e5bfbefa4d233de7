"""The training loop learns, is reproducible under a seed, resumes after an interruption and keeps the best weights."""

import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.processes.locks import checkpoint_lock
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.precision import autocast, best_device, lightning_precision, multiplies_bf16
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "images", "masks": "masks"}
FAST = {"batch_size": 4, "learning_rate": 0.05, "precision": "fp32"}


class Pixelwise(nn.Module):
    """The smallest network that separates bright from dark."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.float() / 64 - 2)


def train(
    samples: Samples, folder: Path, validated: bool = True, objective: Any = None, **settings: Any
) -> TrainingResult:
    chosen = TrainingSettings.model_validate({"epochs": 4, **FAST, **settings})
    return fit(
        Pixelwise,
        objective or MaskObjective("bce"),
        StoredSamples(samples, samples.rows(["train"]), ARRAYS, chosen.augmentation),
        StoredSamples(samples, samples.rows(["val"]), ARRAYS) if validated else None,
        chosen,
        seed=3,
        checkpoints=folder,
        listener=settings.get("listener"),
    )


def same(a: TrainingResult, b: TrainingResult) -> bool:
    states = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_it_learns_and_records_every_epoch(bright_squares: Samples, tmp_path: Path) -> None:
    trained = train(bright_squares, tmp_path / "c", epochs=8)
    assert trained.history["epoch"].tolist() == list(range(1, 9))
    assert list(trained.history) == ["epoch", "train_loss", "val_loss", "val_iou_micro", "learning_rate", "seconds"]
    assert trained.history["val_iou_micro"].max() > 0.8
    assert trained.history["train_loss"].iloc[-1] < trained.history["train_loss"].iloc[0]
    assert not (tmp_path / "c").exists(), "checkpoints of a finished training are removed"


def test_the_best_weights_are_kept_instead_of_the_last(bright_squares: Samples, tmp_path: Path) -> None:
    trained = train(bright_squares, tmp_path / "c", epochs=6, learning_rate=0.3, schedule="constant", gradient_clip=0.0)
    rows = bright_squares.rows(["val"])
    images = torch.from_numpy(bright_squares.array("images", rows)).permute(0, 3, 1, 2)
    predicted, truth = trained.network(images)[:, 0] > 0, torch.from_numpy(bright_squares.array("masks", rows)) == 1
    iou = (predicted & truth).sum() / (predicted | truth).sum()
    assert iou.item() == pytest.approx(trained.history["val_iou_micro"].max(), abs=1e-3)


def test_the_same_seed_gives_the_same_weights(bright_squares: Samples, tmp_path: Path) -> None:
    settings = {"augmentation": {"flips": True, "turns": True, "brightness": 0.2}}
    runs = [train(bright_squares, tmp_path / name, **settings) for name in "ab"]
    assert same(*runs)


class Interrupted(MaskObjective):
    """Fails once, in the third epoch."""

    steps = 0

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        Interrupted.steps += 1
        if Interrupted.steps == 13:
            raise RuntimeError("power cut")
        return super().__call__(network, batch)


def test_an_interrupted_training_resumes_where_it_stopped(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        train(bright_squares, tmp_path / "c", epochs=5, objective=Interrupted("bce"))
    before = Interrupted.steps
    continued = train(bright_squares, tmp_path / "c", epochs=5, objective=Interrupted("bce"))
    assert continued.history["epoch"].tolist() == [1, 2, 3, 4, 5], "history before the interruption is kept"
    assert Interrupted.steps - before < 5 * 5, "finished epochs are not trained again"


class RaisesSigtermException(MaskObjective):
    """Ends a training as Lightning does after SIGTERM."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        raise SIGTERMException


def test_a_training_that_sigterm_ends_exits_with_an_error_code(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        train(bright_squares, tmp_path / "c", objective=RaisesSigtermException("bce"))
    assert ended.value.code == 143


class RaisesKeyboardInterrupt(MaskObjective):
    """Ends a training as Ctrl-C does."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        raise KeyboardInterrupt("by hand")


@pytest.mark.parametrize("more", [{}, {"keep_untrained": True, "keep": "best"}], ids=["training", "first validation"])
def test_ctrl_c_raises_keyboard_interrupt_and_works_a_second_time(
    bright_squares: Samples, tmp_path: Path, more: dict[str, Any]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="by hand"):
        train(bright_squares, tmp_path / "c", objective=RaisesKeyboardInterrupt("bce"), **more)
    assert signal.getsignal(signal.SIGINT) is before


def test_two_runs_of_one_training_take_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise, of two refiners with one base model, the first would remove the checkpoints of the second."""
    order = []

    def second() -> None:
        with checkpoint_lock(tmp_path / "c"):
            order.append("second")

    with checkpoint_lock(tmp_path / "c"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]
    assert "another run is doing this training" in caplog.text
    with checkpoint_lock(tmp_path / "other"):
        pass


class FailsInTheEighthEpoch(MaskObjective):
    """Fails once, in the eighth epoch, after earlier epochs were better than the seventh."""

    steps = 0

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if network.training:
            FailsInTheEighthEpoch.steps += 1
            if FailsInTheEighthEpoch.steps == 7 * 3 + 2:
                raise RuntimeError("power cut")
        return super().__call__(network, batch)


@pytest.mark.parametrize("schedule", ["constant", "plateau", "one_cycle"])
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(
    bright_squares: Samples, tmp_path: Path, schedule: str
) -> None:
    """Even if the last epoch was not the best, which is the only one that Lightning would resume from."""
    settings = {
        "epochs": 10,
        "schedule": schedule,
        "plateau_patience": 2,
        "monitor": "val_iou_micro",
        "learning_rate": 0.3,
        "keep": "last",
        "augmentation": {"flips": True, "turns": True, "brightness": 0.2},
    }
    whole = train(bright_squares, tmp_path / "a", **settings)
    if schedule != "one_cycle":  # which improves until the end
        assert whole.history["val_iou_micro"][:7].idxmax() < 6, "the seventh epoch must not be the best so far"
    FailsInTheEighthEpoch.steps = 0
    with pytest.raises(RuntimeError, match="power cut"):
        train(bright_squares, tmp_path / "b", objective=FailsInTheEighthEpoch("bce"), **settings)
    before = FailsInTheEighthEpoch.steps
    continued = train(bright_squares, tmp_path / "b", objective=FailsInTheEighthEpoch("bce"), **settings)
    assert FailsInTheEighthEpoch.steps - before == 3 * 3, "finished epochs are not trained again"
    columns = ["epoch", "train_loss", "val_loss", "val_iou_micro", "learning_rate"]
    assert continued.history[columns].equals(whole.history[columns])
    assert same(continued, whole)


def test_a_truncated_checkpoint_restarts_the_training(
    bright_squares: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "last.ckpt").write_bytes(b"half a checkpoint")
    trained = train(bright_squares, tmp_path / "c", epochs=2)
    assert len(trained.history) == 2
    assert "cannot be read" in caplog.text


def test_early_stopping_stops(bright_squares: Samples, tmp_path: Path) -> None:
    trained = train(bright_squares, tmp_path / "c", epochs=50, early_stop_patience=2, learning_rate=1e-9)
    assert len(trained.history) <= 5


def test_a_plateau_lowers_the_rate_and_returns_to_the_best_weights(bright_squares: Samples, tmp_path: Path) -> None:
    trained = train(
        bright_squares,
        tmp_path / "c",
        epochs=6,
        learning_rate=1e-9,
        schedule="plateau",
        plateau_patience=2,
        monitor="val_iou_micro",
    )
    # Nothing improves after epoch 1: the rate falls after epochs 3 and 5.
    assert trained.history["learning_rate"].tolist() == pytest.approx([1e-9] * 3 + [1e-9 / 1.1] * 2 + [1e-9 / 1.1**2])


@pytest.mark.parametrize(
    ("schedule", "first_below_last"), [("cosine", False), ("one_cycle", False), ("constant", None)]
)
def test_decaying_schedules_end_low_and_a_constant_one_stays(
    bright_squares: Samples, tmp_path: Path, schedule: str, first_below_last: bool | None
) -> None:
    rates = train(bright_squares, tmp_path / "c", epochs=6, schedule=schedule).history["learning_rate"]
    assert (rates.iloc[-1] < rates.max() / 2) if first_below_last is False else (rates == rates.iloc[0]).all()


def test_without_validation_every_epoch_is_trained(bright_squares: Samples, tmp_path: Path) -> None:
    trained = train(bright_squares, tmp_path / "c", validated=False, epochs=3)
    assert trained.history["epoch"].tolist() == [1, 2, 3]
    assert "val_loss" not in trained.history


def test_weights_that_are_not_finite_raise_an_error_with_a_remedy(bright_squares: Samples, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lower learning_rate"):
        train(
            bright_squares,
            tmp_path / "c",
            validated=False,
            epochs=2,
            learning_rate=1e38,
            gradient_clip=0.0,
            optimizer="sgd",
        )


def test_auto_precision_follows_the_hardware() -> None:
    device = torch.device("cpu")
    assert lightning_precision("fp32", device) == "32-true"
    assert lightning_precision("bf16", device) == "bf16-mixed"
    assert (lightning_precision("auto", device) == "bf16-mixed") == multiplies_bf16(device)
    assert best_device("cpu") == device
    with autocast(device, "bf16"):
        assert (torch.ones(4, 4) @ torch.ones(4, 4)).dtype == torch.bfloat16


def test_a_last_batch_of_one_sample_is_dropped_in_training(bright_squares: Samples) -> None:
    from prn_pipeline.training.samples import loader

    rows = bright_squares.rows(["train"])[:9]
    samples = StoredSamples(bright_squares, rows, ARRAYS)
    settings = TrainingSettings(batch_size=4)
    assert [len(batch["inputs"]) for batch in loader(samples, settings, shuffle=True)] == [4, 4]
    assert [len(batch["inputs"]) for batch in loader(samples, settings, shuffle=False)] == [4, 4, 1]
    assert samples[0]["inputs"].shape == (3, 64, 64)


def test_samples_in_memory_equal_those_on_disk_and_are_held_only_if_they_fit(
    bright_squares: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.array([20, 3, 3, 11, 0, 20])
    arrays = {"inputs": "images", "maps": "logits", "masks": "masks"}
    needed = 4 * 64 * 64 * (3 + 2 + 1)  # bytes of the four distinct rows
    held, read = (StoredSamples(bright_squares, rows, arrays, memory=memory) for memory in (needed, needed - 1))
    for index in range(6):
        assert all(torch.equal(held[index][key], read[index][key]) for key in arrays)
    calls: list[str] = []
    monkeypatch.setattr(ArrayStore, "read", lambda *_: calls.append("read") or np.zeros((1, 64, 64, 3), np.uint8))
    held[0]
    assert not calls
    read[0]
    assert calls


def test_an_epoch_may_have_any_number_of_steps(bright_squares: Samples) -> None:
    from prn_pipeline.training.samples import loader

    samples = StoredSamples(bright_squares, bright_squares.rows(["train"]), ARRAYS)  # 12 samples
    for steps in (2, 3, 7):
        batches = list(loader(samples, TrainingSettings(batch_size=4, steps_per_epoch=steps), shuffle=True))
        assert [len(batch["inputs"]) for batch in batches] == [4] * steps
    first_pass = torch.cat([batch["inputs"] for batch in batches[:3]]).flatten(1).float().sum(1)
    assert len(first_pass.unique()) == 12, "every sample is seen once before any is seen twice"


def test_an_untrained_network_is_kept_if_no_epoch_is_better(bright_squares: Samples, tmp_path: Path) -> None:
    harmful = {"learning_rate": 1.0, "optimizer": "sgd", "gradient_clip": 0.0, "schedule": "constant"}
    torch.manual_seed(3)
    kept = train(bright_squares, tmp_path / "c", objective=Flipped("bce"), keep_untrained=True, epochs=2, **harmful)
    changed = train(bright_squares, tmp_path / "c", objective=Flipped("bce"), keep_untrained=False, epochs=2, **harmful)
    assert not same(kept, changed)
    helpful = train(bright_squares, tmp_path / "c", keep_untrained=True, epochs=3)
    assert same(helpful, train(bright_squares, tmp_path / "c", keep_untrained=False, epochs=3))


class Flipped(MaskObjective):
    """Trains on the inverted masks and validates on the true ones."""

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        wrong = batch | {"masks": 1 - batch["masks"]} if network.training else batch
        return super().__call__(network, wrong)


def test_worker_processes_read_samples_themselves(bright_squares: Samples) -> None:
    from prn_pipeline.training.samples import loader

    assert TrainingSettings(memory=2).memory_bytes == 2 * 2**30
    settings = TrainingSettings(workers=1, batch_size=3)
    samples = StoredSamples(bright_squares, np.arange(6), ARRAYS, memory=settings.memory_bytes)
    (first, second) = loader(samples, settings, shuffle=False)
    here = StoredSamples(bright_squares, np.arange(6), ARRAYS, memory=2**30)
    assert torch.equal(
        torch.cat([first["inputs"], second["inputs"]]), torch.stack([here[i]["inputs"] for i in range(6)])
    )
