"""Baselines: the tuned threshold against brute force, and RankSEG's masks against the score that they optimise.

As modules, their logits have exactly these masks.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.special import expit
from torch import Tensor, nn

from prn_pipeline.errors import UserError
from prn_pipeline.refinement import (
    FixedThreshold,
    PatchOracle,
    RankSeg,
    ThresholdTuner,
    apply_mask_to_logits,
    patch_pseudo_labels,
    rankseg_masks,
    threshold_masks,
    tune_threshold,
)
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings

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


@pytest.mark.parametrize("neighbour", [-1, 0, 1])
def test_probabilities_at_or_next_to_a_candidate_are_counted_on_the_correct_side(neighbour: int) -> None:
    values = np.unique(np.clip(CANDIDATES.view(np.int32) + neighbour, 0, None).astype(np.int32)).view(np.float32)
    values = np.append(values, np.float32(1))
    for k in (1, 313, 442, 999):
        masks = (values > CANDIDATES[k]).astype(np.uint8)
        maps, masks = values[None, None], masks[None, None]
        best = [t for t in CANDIDATES if micro_iou(maps, masks, t) == 1]
        assert tune_threshold(maps, masks) == min(best, key=lambda t: (abs(float(t) - 0.5), t))


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


def test_a_tuner_without_data_raises_an_error() -> None:
    with pytest.raises(UserError, match="no pixel was counted"):
        ThresholdTuner().best()


def test_a_rejected_batch_is_not_counted() -> None:
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
def test_rankseg_selects_the_number_of_pixels_with_the_best_score_of_its_formula(metric: str, seed: int) -> None:
    maps = np.random.default_rng(seed).beta(0.5, 1.0, (2, 12, 9)).astype(np.float32)
    found = rankseg_masks(maps, metric)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [by_enumeration(m, metric) for m in maps])


def test_rankseg_includes_uncertain_pixels_that_a_threshold_of_one_half_excludes() -> None:
    maps = np.full((1, 10, 10), 0.45, np.float32)
    maps[0, 0, 0] = 0.6
    assert threshold_masks(maps).sum() == 1
    assert rankseg_masks(maps).sum() == 100


def test_rankseg_gives_an_empty_mask_for_a_map_without_probabilities_above_one_half() -> None:
    assert not rankseg_masks(np.full((1, 4, 4), 0.5, np.float32)).any()


def test_rankseg_returns_tensors_for_tensors_and_accepts_half_precision() -> None:
    maps = np.random.default_rng(0).random((2, 8, 8)).astype(np.float16)
    found = rankseg_masks(torch.from_numpy(maps))
    np.testing.assert_array_equal(found.numpy(), rankseg_masks(maps))


def test_rankseg_rejects_logits() -> None:
    with pytest.raises(UserError, match="pass probabilities, not logits"):
        rankseg_masks(np.full((1, 4, 4), 3.0, np.float32))


EVERY_FLOAT16 = np.arange(2**16, dtype=np.uint16).view(np.float16)
FINITE = EVERY_FLOAT16[np.isfinite(EVERY_FLOAT16)].astype(np.float32)


def smooth_logits(seed: int, images: int = 3) -> Tensor:
    noise = torch.randn(images, 1, 32, 24, generator=torch.Generator().manual_seed(seed))
    return 4 * nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)


def test_a_threshold_agrees_with_scipy_for_every_float16_logit() -> None:
    logits = torch.from_numpy(FINITE).reshape(1, 1, 1, -1)
    probabilities = expit(FINITE)
    ranks = [np.searchsorted(CANDIDATES, p, side="left") for p in (logits.sigmoid().numpy().ravel(), probabilities)]
    np.testing.assert_array_equal(*ranks, err_msg="no candidate lies between torch's sigmoid and SciPy's")
    for threshold in CANDIDATES[::50]:
        found = FixedThreshold(float(threshold))(logits).numpy().ravel() > 0
        assert (found == (probabilities > threshold)).all(), threshold


@pytest.mark.parametrize("foreground", [0, 1])
def test_logits_get_the_sign_of_the_mask_and_keep_it_in_float16(foreground: int) -> None:
    logits = torch.from_numpy(FINITE)
    masked = apply_mask_to_logits(logits, torch.full(logits.shape, foreground))
    assert masked.dtype == torch.float32
    assert ((masked > 0) == bool(foreground)).all()
    assert ((masked.half() > 0) == bool(foreground)).all()
    agrees = (logits > 0) == bool(foreground)
    assert torch.equal(masked[agrees], logits[agrees])
    assert torch.equal(masked[~agrees & (logits != 0)], -logits[~agrees & (logits != 0)])


def test_masked_logits_too_small_for_float16_keep_their_sign_when_stored() -> None:
    logits = torch.tensor([1e-9, -1e-9, 1e-45])
    assert (apply_mask_to_logits(logits, torch.ones(3)).half() > 0).all()
    assert not (apply_mask_to_logits(logits, torch.zeros(3)).half() > 0).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "network",
    [
        FixedThreshold(),
        FixedThreshold(0.13),
        RankSeg(),
        RankSeg("dice"),
        PaperRefiner(PatchRefineNetSettings(width=4, grid=2)),
    ],
    ids=["half", "low", "rankseg-iou", "rankseg-dice", "prn"],
)
def test_a_decision_rule_has_the_interface_of_a_refiner(network: nn.Module, dtype: torch.dtype) -> None:
    with torch.inference_mode():
        refined = network.eval()(smooth_logits(0, 2).to(dtype))
    assert refined.shape == (2, 1, 32, 24)
    assert refined.dtype == torch.float32


@pytest.mark.parametrize("metric", ["iou", "dice"])
def test_rankseg_as_a_module_gives_the_masks_of_the_library(metric: str) -> None:
    logits = smooth_logits(1)
    expected = rankseg_masks(logits[:, 0].sigmoid(), metric)
    assert torch.equal(RankSeg(metric)(logits)[:, 0] > 0, expected == 1)
    assert 0 < expected.float().mean() < 1


def test_the_patch_oracle_predicts_the_pseudo_labels_and_background_for_ignored_pixels() -> None:
    logits = smooth_logits(2)
    masks = (logits[:, 0] + smooth_logits(3)[:, 0] > 0).to(torch.uint8)
    masks[:, :3] = 255
    found = PatchOracle(8)(logits, masks)
    assert torch.equal(found[:, 0] > 0, patch_pseudo_labels(logits[:, 0].sigmoid(), masks, 8).labels == 1)
    assert not (found[:, 0, :3] > 0).any()
    assert not torch.equal(PatchOracle(8, levels=3)(logits, masks), found)


def test_a_tuned_threshold_is_saved_with_the_weights(tmp_path: Path) -> None:
    save_file(FixedThreshold(0.442).state_dict(), tmp_path / "threshold.safetensors")
    loaded = FixedThreshold()
    loaded.load_state_dict(load_file(tmp_path / "threshold.safetensors"))
    assert loaded.threshold.item() == np.float32(0.442)
    assert torch.equal(loaded(smooth_logits(4)), FixedThreshold(0.442)(smooth_logits(4)))


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_outside_0_to_1_is_rejected(threshold: float) -> None:
    with pytest.raises(UserError, match=r"must lie in \[0, 1\]"):
        FixedThreshold(threshold)


def test_an_unknown_metric_of_rankseg_is_rejected() -> None:
    with pytest.raises(UserError, match="choose one of iou, dice"):
        RankSeg("accuracy")  # type: ignore[arg-type]


def test_rankseg_raises_an_error_for_nan() -> None:
    logits = smooth_logits(5)
    logits[0, 0, 3, 4] = float("nan")
    with pytest.raises(UserError, match="NaN"):
        RankSeg()(logits)
    assert FixedThreshold()(logits)[0, 0, 3, 4].isnan()
