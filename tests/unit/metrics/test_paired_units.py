"""Gain over independent units: interval of the jackknife, and exact sign-flip test."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from prn_pipeline.metrics.paired_units import by_unit, lower_bound, sign_flip_p, unit_gain
from prn_pipeline.metrics.scores import mean_iou


def some_pair(units: int, classes: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts of two methods on the same images: the truth of each image is the same for both."""
    draw = np.random.default_rng(seed)
    truth, background = draw.integers(100, 2000, (units, classes)), draw.integers(2000, 4000, (units, classes))
    pair = []
    for _ in range(2):
        found, false = (truth * draw.random(truth.shape)).astype(int), draw.integers(0, 500, truth.shape)
        counts = np.zeros((units, classes, 6), np.int64)
        counts[..., 0], counts[..., 1] = found, false
        counts[..., 2], counts[..., 3] = truth - found, background - false
        pair.append(counts)
    return pair[0], pair[1]


def gain(challenger: np.ndarray, champion: np.ndarray) -> float:
    return float(mean_iou(challenger.sum(0)) - mean_iou(champion.sum(0)))


@pytest.mark.parametrize(("units", "classes", "seed"), [(3, 1, 0), (8, 1, 1), (9, 1, 2), (8, 3, 3), (10, 2, 4)])
def test_p_is_the_share_of_all_exchanges_with_at_least_the_gain(units: int, classes: int, seed: int) -> None:
    challenger, champion = some_pair(units, classes, seed)
    observed = gain(challenger, champion)
    exchanged = []
    for flips in product([False, True], repeat=units):
        flip = np.array(flips)[:, None, None]
        exchanged.append(gain(np.where(flip, champion, challenger), np.where(flip, challenger, champion)))
    expected = np.mean(np.array(exchanged) >= observed - 1e-12)
    assert sign_flip_p(challenger, champion) == pytest.approx(expected, abs=0.05 if classes > 1 else 0.01)


def test_p_of_equal_predictions_is_one_and_of_gains_everywhere_the_least_possible() -> None:
    champion = some_pair(12)[0]
    assert sign_flip_p(champion, champion) == 1.0
    better = champion.copy()
    better[..., 0] += 20
    better[..., 2] -= 20
    assert sign_flip_p(better, champion) == pytest.approx(2.0**-12)
    assert sign_flip_p(champion, better) == 1.0


def test_the_interval_is_that_of_the_jackknife() -> None:
    challenger, champion = some_pair(15)
    without = [gain(np.delete(challenger, unit, 0), np.delete(champion, unit, 0)) for unit in range(15)]
    pseudo = 15 * gain(challenger, champion) - 14 * np.array(without)
    half = stats.t.ppf(0.975, 14) * stats.sem(pseudo)
    found = unit_gain(challenger, champion)
    assert found["iou_micro"] == pytest.approx(gain(challenger, champion))
    assert found["ci95"] == pytest.approx([found["iou_micro"] - half, found["iou_micro"] + half])
    one_sided = found["iou_micro"] - stats.t.ppf(1 - 0.003, 14) * stats.sem(pseudo)
    assert lower_bound(challenger, champion, 0.003) == pytest.approx(one_sided)


def test_a_single_unit_says_nothing() -> None:
    challenger, champion = some_pair(1)
    assert unit_gain(challenger, champion)["ci95"] == [-1.0, 1.0]
    assert lower_bound(challenger, champion, 0.4) == -1.0


def test_units_are_sums_over_groups() -> None:
    counts = np.arange(36).reshape(6, 6)
    found = by_unit(counts, np.array(["b", "a", "b", "c", "a", "c"]))
    assert (found[:, 0] == [counts[0] + counts[2], counts[1] + counts[4], counts[3] + counts[5]]).all()
    assert (by_unit(counts)[:, 0] == counts).all()


def test_sums_over_units_are_exact_for_any_number_of_pixels() -> None:
    counts = np.full((2, 6), 2**53, np.int64)
    counts[1] = 1
    found = by_unit(counts, np.array(["a", "a"]))
    assert found.dtype == np.int64
    assert found.tolist() == [[[2**53 + 1] * 6]]
