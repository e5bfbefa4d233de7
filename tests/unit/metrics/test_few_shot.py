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
