"""The expected IoU of a mask: statistics of maps, and an estimate fitted to held-out images."""

import numpy as np
import pytest
from scipy.special import expit, logit

from prn_pipeline.metrics.map_quality.expected_iou import EDGE, ExpectedIou
from prn_pipeline.metrics.map_quality.fitting import LEAST_UNITS, fit_expected_iou, measured
from prn_pipeline.metrics.map_quality.statistics import SMOOTHING, decided, quality_statistics, true_iou


def maps(seed: int = 0, images: int = 3, classes: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits before and after a refiner."""
    draw = np.random.default_rng(seed)
    base = draw.normal(0, 2, (images, classes, 16, 20))
    return base.astype(np.float16), (base + draw.normal(0, 1, base.shape)).astype(np.float16)


def test_statistics_of_foreground_are_those_of_a_loop_over_pixels() -> None:
    base, refined = maps()
    found = quality_statistics(base, refined)
    assert found.shape == (3, 2)
    for number in range(3):
        inside = outside = both = either = size = 0.0
        for before, after in zip(base[number].ravel(), refined[number].ravel(), strict=True):
            probability = expit(float(after))
            size += after > 0
            inside += probability * (after > 0)
            outside += probability * (after <= 0)
            both += before > 0 and after > 0
            either += before > 0 or after > 0
        added = SMOOTHING * 16 * 20
        expected = [(inside + added) / (size + outside + added), (both + added) / (either + added)]
        assert found[number] == pytest.approx(expected, rel=1e-5)


def test_the_soft_iou_is_near_the_mean_iou_of_truths_drawn_from_the_probabilities() -> None:
    _, refined = maps(1)
    draw = np.random.default_rng(2)
    truths = (draw.random((400, *refined.shape)) < expit(refined.astype(float))).astype(np.uint8)
    drawn = np.mean([true_iou(refined, truth) for truth in truths], axis=0)
    np.testing.assert_allclose(quality_statistics(refined, refined)[:, 0], drawn, atol=0.01)


def test_an_empty_mask_without_doubt_counts_as_right_and_one_with_doubt_does_not() -> None:
    empty = np.full((1, 1, 64, 64), -16, np.float16)
    doubtful = empty.copy()
    doubtful[..., :20, :20] = -0.5
    assert quality_statistics(empty, empty)[0] == pytest.approx([1, 1], abs=1e-2)
    assert quality_statistics(doubtful, doubtful)[0, 0] < 0.05
    assert true_iou(empty, np.zeros((1, 1, 64, 64), np.uint8)) == [1]


def test_statistics_of_several_classes_are_means_over_the_classes_of_the_mask() -> None:
    base, refined = maps(classes=4)
    refined[:, 2] = -16  # in no mask
    masks, before = decided(refined), decided(base)
    assert masks.sum(1).min() == masks.sum(1).max() == 1
    found = quality_statistics(base, refined)
    for number in range(len(base)):
        agreements = [
            (masks[number, c] & before[number, c]).sum() / (masks[number, c] | before[number, c]).sum()
            for c in (0, 1, 3)
        ]
        assert found[number, 1] == pytest.approx(np.mean(agreements), abs=1e-3)
        softs = []
        for c in (0, 1, 3):
            p, mask = expit(refined[number, c].astype(float)), masks[number, c]
            softs.append(p[mask].sum() / (mask.sum() + p[~mask].sum()))
        assert found[number, 0] == pytest.approx(np.mean(softs), abs=1e-3)


def test_ignored_pixels_do_not_count_and_an_image_of_them_has_no_iou() -> None:
    refined = np.full((2, 1, 2, 2), 1, np.float16)
    masks = np.array([[[[1, 0], [255, 255]]], [[[255, 255], [255, 255]]]], np.uint8)
    np.testing.assert_array_equal(true_iou(refined, masks), [0.5, np.nan])


def promises(images: int, seed: int = 0, honest: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Statistics, and true IoUs around expit(`honest` * logit(soft IoU))."""
    draw = np.random.default_rng(seed)
    statistics = np.column_stack([draw.uniform(0.3, 0.98, images), draw.uniform(0.5, 1, images)])
    return statistics, expit(honest * logit(statistics[:, 0]) + draw.normal(0, 0.3, images))


def folds(images: int) -> np.ndarray:
    return np.arange(images) % 10


def fitted(statistics: np.ndarray, ious: np.ndarray) -> ExpectedIou:
    estimate, reason = fit_expected_iou(statistics, ious, folds(len(ious)), len(ious))
    assert estimate is not None, reason
    return estimate


def test_maps_that_promise_too_much_are_corrected() -> None:
    statistics, ious = promises(400, honest=0.5)
    estimate = fitted(statistics, ious)
    assert estimate.slope == pytest.approx(0.5, abs=0.05)
    fresh, truth = promises(400, seed=1, honest=0.5)
    error = np.abs(estimate.of(fresh) - truth).mean()
    assert error < 0.6 * np.abs(fresh[:, 0] - truth).mean()
    assert estimate.error == pytest.approx(error, rel=0.15)  # measured out of fold, it is that of new images
    assert estimate.error < 0.7 * estimate.error_of_mean


def test_few_images_change_the_soft_iou_little() -> None:
    few, many = (fitted(*promises(images, honest=0.6)) for images in (LEAST_UNITS, 1000))
    assert 0.02 < abs(few.slope - 1) < 0.7 * abs(many.slope - 1)


def test_disagreement_with_the_base_model_lowers_the_expected_iou_where_it_did_so_before() -> None:
    statistics, _ = promises(400)
    ious = (statistics[:, 0] * statistics[:, 1]).clip(0, 1)
    estimate = fitted(statistics, ious)
    assert estimate.agreement > 0.1
    alike, unlike = np.array([[0.9, 0.99]]), np.array([[0.9, 0.6]])
    assert estimate.of(unlike)[0] < estimate.of(alike)[0] - 0.1


def test_too_few_units_give_a_reason() -> None:
    statistics, ious = promises(100)
    estimate, reason = fit_expected_iou(statistics, ious, folds(100), LEAST_UNITS - 1)
    assert estimate is None
    assert reason == f"{LEAST_UNITS - 1} held-out images or groups are too few to fit it to, {LEAST_UNITS} are needed"
    assert fit_expected_iou(statistics, ious, folds(100), LEAST_UNITS).estimate is not None


def test_maps_that_say_nothing_give_a_reason() -> None:
    statistics, _ = promises(60)
    for ious in (np.random.default_rng(3).uniform(0, 1, 60), np.full(60, 0.7)):
        estimate, reason = fit_expected_iou(statistics, ious, folds(60), 60)
        assert estimate is None
        assert reason == "on 60 held-out images the maps do not tell good masks from bad ones"


def test_the_error_is_measured_on_other_folds() -> None:
    """Within each of two folds the soft IoU ranks masks right, but what it promises there is off in opposite ways."""
    soft = np.tile(np.linspace(0.2, 0.9, 20), 2)
    high = np.repeat([True, False], 20)
    ious = np.where(high, soft**0.25, soft**4)
    found, _ = fit_expected_iou(np.column_stack([soft, np.full(40, 0.9)]), ious, high.astype(np.int64), 40)
    together, _ = fit_expected_iou(np.column_stack([soft, np.full(40, 0.9)]), ious, folds(40), 40)
    assert together is not None
    assert found is None or found.error > together.error + 0.05


def test_figures_are_those_of_a_definition_by_hand() -> None:
    ious = np.arange(20) / 20
    expected = ious.copy()
    expected[[0, 10]] = expected[[10, 0]]  # the worst image is expected to be the 11th
    found = measured(expected, ious)
    assert found["error"] == pytest.approx(2 * 0.5 / 20)
    assert found["worst_found"] == 0.5  # of images 0 and 1, only 1 is among the four expected to be worst
    assert found["rank_correlation"] == pytest.approx(1 - 6 * 200 / (20 * 399), abs=1e-4)


def test_sure_maps_have_a_finite_expected_iou() -> None:
    estimate = ExpectedIou(
        intercept=0, slope=1, agreement=0, usual=0, images=9, units=9, error=0, error_of_mean=0, rank_correlation=1,
        worst_found=1,
    )  # fmt: skip
    np.testing.assert_allclose(estimate.of(np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 1.0]])), [EDGE, 1 - EDGE, 0.5])
