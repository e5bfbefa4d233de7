"""Rivals: a tuned threshold that brute force cannot beat, and RankSEG's masks against the definition they optimise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prn_pipeline.errors import UserError
from prn_pipeline.refinement import ThresholdTuner, rankseg_masks, threshold_masks, tune_threshold

CANDIDATES = (np.arange(1000) / 1000).astype(np.float32)


def micro_iou(maps: np.ndarray, masks: np.ndarray, threshold: float) -> float:
    used, truth = masks != 255, masks == 1
    chosen = (maps.astype(np.float32) > np.float32(threshold)) & used
    return float((chosen & truth).sum() / max(1, (chosen | truth).sum()))


def random_set(seed: int, dtype: type, steps: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    maps = (rng.integers(0, steps + 1, (3, 6, 5)) / steps).astype(dtype)
    masks = (rng.random(maps.shape) < 0.2 + 0.5 * maps).astype(np.uint8)
    masks[rng.random(maps.shape) < 0.1] = 255
    return maps, masks


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float16, np.float32]), st.sampled_from([3, 10, 1000, 12345]))
def test_the_tuned_threshold_is_the_best_candidate_nearest_to_one_half(seed: int, dtype: type, steps: int) -> None:
    maps, masks = random_set(seed, dtype, steps)
    scores = np.array([micro_iou(maps, masks, t) for t in CANDIDATES])
    winners = np.flatnonzero(scores == scores.max())
    expected = CANDIDATES[min(winners, key=lambda k: (abs(k - 500), k))]
    assert tune_threshold(maps, masks) == float(expected)


def test_batches_add_up_to_the_whole_set() -> None:
    maps, masks = random_set(3, np.float32, 999)
    tuner = ThresholdTuner()
    for image, mask in zip(maps, masks, strict=True):
        tuner.update(torch.from_numpy(image[None]), torch.from_numpy(mask[None]))
    assert tuner.best() == tune_threshold(maps, masks)


@pytest.mark.parametrize("value", [0, 255])
def test_without_foreground_the_threshold_is_one_half(value: int) -> None:
    tuner = ThresholdTuner()
    tuner.update(np.full((1, 4, 4), 0.9, np.float32), np.zeros((1, 4, 4), np.uint8))
    tuner.update(np.full((1, 4, 4), 0.2, np.float32), np.full((1, 4, 4), value, np.uint8))
    assert tuner.best() == 0.5


def test_a_tuner_that_saw_nothing_says_so() -> None:
    with pytest.raises(UserError, match="no pixel was counted"):
        ThresholdTuner().best()


def test_a_refused_batch_is_not_counted() -> None:
    tuner = ThresholdTuner()
    with pytest.raises(UserError, match="1 of 16 probabilities"):
        tuner.update(np.diag(np.float32([1, 1, 1, 2]))[None], np.ones((1, 4, 4), np.uint8))
    with pytest.raises(UserError, match="no pixel was counted"):
        tuner.best()


def test_thresholds_are_strict_for_arrays_and_tensors() -> None:
    maps = np.array([[[0.25, 0.5, 0.75]]], np.float16)
    np.testing.assert_array_equal(threshold_masks(maps), [[[0, 0, 1]]])
    np.testing.assert_array_equal(threshold_masks(torch.from_numpy(maps), 0.25).numpy(), [[[0, 1, 1]]])


def by_enumeration(probabilities: np.ndarray, metric: str) -> np.ndarray:
    """The k most probable pixels, for the k of highest score by RMA's formula (Wang and Dai, 2025)."""
    ranked = np.sort(probabilities.ravel().astype(np.float64))[::-1]
    k, inside, total = np.arange(1, ranked.size + 1), ranked.cumsum(), ranked.sum()
    scores = inside / (k + total - inside) if metric == "iou" else 2 * inside / (k + total + 1)
    return (probabilities >= ranked[scores.argmax()]).astype(np.uint8)


@pytest.mark.parametrize("metric", ["iou", "dice"])
@pytest.mark.parametrize("seed", range(4))
def test_rankseg_takes_the_number_of_pixels_that_its_formula_prefers(metric: str, seed: int) -> None:
    maps = np.random.default_rng(seed).beta(0.5, 1.0, (2, 12, 9)).astype(np.float32)
    found = rankseg_masks(maps, metric)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [by_enumeration(m, metric) for m in maps])


def test_rankseg_lets_uncertain_pixels_in_that_one_half_keeps_out() -> None:
    maps = np.full((1, 10, 10), 0.45, np.float32)
    maps[0, 0, 0] = 0.6
    assert threshold_masks(maps).sum() == 1
    assert rankseg_masks(maps).sum() == 100


def test_rankseg_leaves_a_map_empty_that_nowhere_exceeds_one_half() -> None:
    assert not rankseg_masks(np.full((1, 4, 4), 0.5, np.float32)).any()


def test_rankseg_gives_tensors_for_tensors_and_takes_half_precision() -> None:
    maps = np.random.default_rng(0).random((2, 8, 8)).astype(np.float16)
    found = rankseg_masks(torch.from_numpy(maps))
    np.testing.assert_array_equal(found.numpy(), rankseg_masks(maps))


def test_rankseg_refuses_logits() -> None:
    with pytest.raises(UserError, match="pass probabilities, not logits"):
        rankseg_masks(np.full((1, 4, 4), 3.0, np.float32))
