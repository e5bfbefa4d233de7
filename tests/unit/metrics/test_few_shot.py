"""Means over categories and over episodes."""

import numpy as np
import pytest

from prn_pipeline.metrics.counts import count_image
from prn_pipeline.metrics.few_shot import few_shot_scores

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, (9, 12, 12)).astype(np.uint8)
PREDICTIONS = np.where(RNG.random((9, 12, 12)) < 0.8, TRUTH, 1 - TRUTH).astype(bool)
CATEGORIES = np.array(list("aaabbbccc"))


def counts(predictions: np.ndarray) -> np.ndarray:
    return np.array([count_image(one, mask) for one, mask in zip(predictions, TRUTH, strict=True)])


def iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float((predicted & truth).sum() / (predicted | truth).sum())


def test_every_mean_equals_plain_arithmetic() -> None:
    found = few_shot_scores(counts(PREDICTIONS), counts(TRUTH == 1), CATEGORIES, 300, 0)
    true = TRUTH == 1
    by_category = [iou(PREDICTIONS[name == CATEGORIES], true[name == CATEGORIES]) for name in "abc"]
    assert found["categories"] == pytest.approx(dict(zip("abc", by_category, strict=True)))
    assert found["miou_categories"] == pytest.approx(np.mean(by_category))
    assert found["miou_episodes"] == pytest.approx(np.mean([iou(s, t) for s, t in zip(PREDICTIONS, true, strict=True)]))
    assert found["fb_iou"] == pytest.approx((iou(PREDICTIONS, true) + iou(~PREDICTIONS, ~true)) / 2)
    for score in ("miou_categories", "miou_episodes"):
        assert found[f"{score}_ci95"][0] <= found[score] <= found[f"{score}_ci95"][1]
        assert found["few_shot_vs_base"][score]["gain"] == pytest.approx(found[score] - 1)
        assert found["few_shot_vs_base"][score]["ci95"][1] < 0


def test_perfect_foreground_is_perfect_background_too() -> None:
    full = np.array([[4096, 0, 0, 0, 0, 0]] * 3)
    assert few_shot_scores(full, full, np.array(["a", "a", "b"]), 100, 0)["fb_iou"] == 1


def test_intervals_draw_whole_categories() -> None:
    """A plain bootstrap draws the names of categories, and with each of them all of its episodes."""
    ours, theirs, categories = counts(PREDICTIONS), counts(PREDICTIONS[::-1]), CATEGORIES
    found = few_shot_scores(ours, theirs, categories, 4000, 0)
    drawn = np.array(list("abc"))[np.random.default_rng(3).integers(3, size=(4000, 3))]

    def of_draws(score: str, some: np.ndarray) -> np.ndarray:
        if score == "miou_categories":
            of_one = {name: some[categories == name].sum(0) for name in "abc"}
            values = {name: one[0] / one[:3].sum() for name, one in of_one.items()}
        else:
            each = np.array([one[0] / max(one[:3].sum(), 1) for one in some])
            values = {name: each[categories == name].mean() for name in "abc"}  # three episodes each
        return np.array([np.mean([values[name] for name in names]) for names in drawn])

    for score in ("miou_categories", "miou_episodes"):
        values = of_draws(score, ours)
        gains = values - of_draws(score, theirs)
        wanted = np.quantile(values, [0.025, 0.975])
        assert found[f"{score}_ci95"] == pytest.approx(wanted, abs=0.1 * np.ptp(wanted))
        gain = found["few_shot_vs_base"][score]
        assert gain["gain"] == pytest.approx(found[score] - few_shot_scores(theirs, ours, categories, 9, 0)[score])
        wanted = np.quantile(gains, [0.025, 0.975])
        assert gain["ci95"] == pytest.approx(wanted, abs=0.1 * np.ptp(wanted))


def test_more_episodes_of_the_same_categories_do_not_make_an_interval_narrower() -> None:
    some, base = counts(PREDICTIONS), counts(PREDICTIONS[::-1])
    once, ten_times = (
        few_shot_scores(np.tile(some, (n, 1)), np.tile(base, (n, 1)), np.tile(CATEGORIES, n), 4000, 0) for n in (1, 10)
    )
    assert np.ptp(ten_times["miou_episodes_ci95"]) == pytest.approx(np.ptp(once["miou_episodes_ci95"]), rel=0.1)


def test_two_units_have_an_interval_and_one_has_the_widest() -> None:
    some = counts(PREDICTIONS)
    one = few_shot_scores(some[:2], some[:2], np.array(["a", "a"]), 50, 0)
    assert one["miou_categories_ci95"] == [0.0, 1.0]
    assert one["few_shot_vs_base"]["miou_categories"]["ci95"] == [-1.0, 1.0]
    assert one["miou_episodes_ci95"] == [0.0, 1.0]
    two = few_shot_scores(some[:2], some[:2], np.array(["a", "b"]), 50, 0)
    assert two["miou_categories_ci95"] != [0.0, 1.0]


def test_episodes_without_a_valid_pixel_are_left_out() -> None:
    some = counts(PREDICTIONS)
    ignored = np.zeros((1, 6), np.int64)
    found = few_shot_scores(
        np.concatenate([some, ignored]), np.concatenate([some, ignored]), np.array([*"aaabbbcccc"]), 9, 0
    )
    assert found["miou_episodes"] == few_shot_scores(some, some, CATEGORIES, 9, 0)["miou_episodes"]
