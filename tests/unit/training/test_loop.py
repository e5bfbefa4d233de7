"""The training loop learns, is reproducible under a seed and keeps the best weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.objective import MaskObjective
from tests.unit.training.small_training import same, train


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


def test_early_stopping_stops(bright_squares: Samples, tmp_path: Path) -> None:
    trained = train(bright_squares, tmp_path / "c", epochs=50, early_stop_patience=2, learning_rate=1e-9)
    assert len(trained.history) <= 5


@pytest.mark.parametrize("divisor", [1.1, 4.0])
def test_a_plateau_lowers_the_rate_and_returns_to_the_best_weights(
    bright_squares: Samples, tmp_path: Path, divisor: float
) -> None:
    trained = train(
        bright_squares,
        tmp_path / "c",
        epochs=6,
        learning_rate=1e-9,
        schedule="plateau",
        plateau_patience=2,
        plateau_divisor=divisor,
        monitor="val_iou_micro",
    )
    # Nothing improves after epoch 1: the rate falls after epochs 3 and 5.
    assert trained.history["learning_rate"].tolist() == pytest.approx(
        [1e-9] * 3 + [1e-9 / divisor] * 2 + [1e-9 / divisor**2], rel=1e-6, abs=0
    )


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


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_clipped_gradient_has_the_norm_of_the_settings(
    bright_squares: Samples, tmp_path: Path, precision: str
) -> None:
    def weights(learning_rate: float, gradient_clip: float) -> Tensor:
        one_step: dict[str, Any] = {
            "epochs": 1,
            "steps_per_epoch": 1,
            "optimizer": "sgd",
            "schedule": "constant",
            "weight_decay": 0.0,
        }
        rates: dict[str, Any] = {"learning_rate": learning_rate, "gradient_clip": gradient_clip, "precision": precision}
        trained = train(bright_squares, tmp_path / "c", validated=False, **one_step, **rates)
        return torch.cat([parameter.detach().flatten() for parameter in trained.network.parameters()])

    start = weights(1e-30, 0.0)
    nesterov = 1.9  # length of the first step of Nesterov's momentum of 0.9, in gradients
    assert (weights(1.0, 0.01) - start).norm().item() == pytest.approx(nesterov * 0.01, rel=1e-3)
    assert (weights(1.0, 0.0) - start).norm().item() > nesterov * 0.02, "without clipping the step is longer"


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
