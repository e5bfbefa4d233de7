"""Whether a base model was trained to its end."""

import numpy as np
import pandas as pd
import pytest

from prn_pipeline.training.convergence import MIN_LATE_GAIN, convergence, still_improving


def history(*iou: float) -> pd.DataFrame:
    return pd.DataFrame({"epoch": np.arange(len(iou)) + 1, "val_iou_micro": iou})


def test_the_short_training_of_the_default_run_was_still_improving() -> None:
    found = convergence(history(0.214, 0.394, 0.453, 0.509, 0.553, 0.561), epochs=6)
    assert found == {
        "epochs": 6,
        "best_epoch": 6,
        "ended_by": "epochs",
        "late_epochs": 2,
        "late_gain": pytest.approx(0.561 - 0.509),
        "converged": False,
    }
    assert still_improving(found)


@pytest.mark.parametrize(
    ("what", "iou"),
    [
        ("flat from the start, as after fine-tuning", [0.80, 0.801, 0.80, 0.802]),
        ("best at the very end, by less than what counts", [0.5, 0.69, 0.7, 0.7, 0.701, 0.702, 0.703, 0.704]),
        ("best long before the end", [0.3, 0.6, 0.7, 0.69, 0.68, 0.67, 0.66, 0.66]),
        ("one lucky epoch at the end of a flat training", [0.70, 0.68, 0.69, 0.70, 0.69, 0.70, 0.68, 0.706]),
        ("never learned anything", [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_a_training_that_had_ended_by_itself_has_converged(what: str, iou: list[float]) -> None:
    found = convergence(history(*iou))
    assert found is not None, what
    assert found["converged"] is True, what
    assert not still_improving(found)


def test_chance_alone_rarely_looks_like_improvement() -> None:
    rng = np.random.default_rng(0)
    flat = [convergence(history(*rng.normal(0.7, 2 * MIN_LATE_GAIN, 40))) for _ in range(200)]
    assert np.mean([still_improving(one) for one in flat]) < 0.06


def test_early_stopping_counts_as_the_end() -> None:
    rising = history(0.3, 0.4, 0.5, 0.6)
    assert still_improving(convergence(rising, epochs=4))
    stopped = convergence(rising, epochs=40)
    assert stopped is not None
    assert stopped["ended_by"] == "patience"
    assert not still_improving(stopped)


def test_after_one_epoch_nobody_can_tell_so_it_counts_as_improving() -> None:
    found = convergence(history(0.7), epochs=1)
    assert found is not None
    assert (found["late_gain"], found["converged"]) == (None, False)


@pytest.mark.parametrize(
    "unknown",
    [
        pd.DataFrame(columns=["epoch"]),
        pd.DataFrame({"epoch": [1, 2], "train_loss": [1.0, 0.5]}),
        pd.DataFrame({"epoch": [1, 2], "val_iou_micro": [np.nan, np.nan]}),
    ],
)
def test_models_that_were_not_trained_or_not_validated_here_are_not_judged(unknown: pd.DataFrame) -> None:
    assert convergence(unknown) is None
    assert not still_improving(None)
