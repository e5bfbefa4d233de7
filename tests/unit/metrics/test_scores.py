"""Scores agree with independent implementations."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.metrics import accuracy_score, f1_score, jaccard_score, precision_score, recall_score
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_jaccard_index,
    binary_precision,
    binary_recall,
)

from prn_pipeline.metrics.bootstrap import interval, paired_gain
from prn_pipeline.metrics.constant_predictions import constant_prediction
from prn_pipeline.metrics.counts import boundaries, count_image
from prn_pipeline.metrics.scores import by_class, iou, mean_iou, present, present_in_truth, scores


def random_pairs(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    masks = rng.choice(np.array([0, 1, 255], np.uint8), size=(images, 33, 47), p=[0.6, 0.3, 0.1])
    predictions = np.where(rng.random(masks.shape) < 0.8, masks == 1, rng.random(masks.shape) < 0.5)
    return predictions, masks


def counted(predictions: np.ndarray, masks: np.ndarray) -> np.ndarray:
    return np.stack([count_image(p, m) for p, m in zip(predictions, masks, strict=True)])


def test_scores_of_a_set_equal_torchmetrics_over_all_its_pixels() -> None:
    predictions, masks = random_pairs(6, seed=0)
    found = scores(counted(predictions, masks), np.zeros(6))
    p, m = torch.from_numpy(predictions).int(), torch.from_numpy(masks).int()
    oracles = {
        "iou_micro": binary_jaccard_index,
        "dice": binary_f1_score,
        "precision": binary_precision,
        "recall": binary_recall,
    }
    expected = {name: oracle(p, m, ignore_index=255).item() for name, oracle in oracles.items()}
    assert {name: found[name] for name in oracles} == pytest.approx(expected, abs=1e-6)


def test_iou_macro_is_the_mean_iou_of_the_images() -> None:
    predictions, masks = random_pairs(5, seed=1)
    each = [
        binary_jaccard_index(torch.from_numpy(p).int(), torch.from_numpy(m).int(), ignore_index=255).item()
        for p, m in zip(predictions, masks, strict=True)
    ]
    assert scores(counted(predictions, masks), np.zeros(5))["iou_macro"] == pytest.approx(np.mean(each), abs=1e-6)


def test_an_empty_mask_predicted_empty_scores_one_and_a_false_alarm_scores_zero() -> None:
    empty, full = np.zeros((8, 8), np.uint8), np.ones((8, 8), np.uint8)
    assert iou(count_image(empty, empty)) == 1
    assert iou(count_image(full, empty)) == 0


def test_precision_of_a_method_that_predicts_nothing_is_undefined() -> None:
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[:, :2] = 1
    found = scores(counted(np.zeros(masks.shape, bool), masks), np.zeros(3))
    assert (found["precision"], found["recall"], found["iou_micro"], found["dice"]) == (None, 0, 0, 0)
    assert found["wrong_pixels"] == 3 * 16


def test_recall_without_foreground_in_the_truth_is_undefined() -> None:
    nothing = np.zeros((3, 8, 8), np.uint8)
    found = scores(counted(nothing == 0, nothing), np.zeros(3))
    assert (found["precision"], found["recall"], found["iou_micro"]) == (0, None, 0)
    found = scores(counted(nothing == 1, nothing), np.zeros(3))
    assert (found["precision"], found["recall"], found["iou_micro"]) == (None, None, 1)


def test_a_class_that_is_never_predicted_has_no_precision_to_average() -> None:
    counts = np.zeros((1, 3, 6), np.int64)  # 60 pixels, 20 of each class; the third is predicted as the first
    counts[0, :, :4] = [[20, 20, 0, 20], [20, 0, 0, 40], [0, 0, 20, 40]]
    found = scores(counts, np.zeros((1, 3)))
    assert found["precision"] == pytest.approx((0.5 + 1) / 2)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["wrong_pixels"] == 20, "a wrong pixel of one class for another counts once"


def test_wrong_pixels_are_counted_outside_ignored_ones() -> None:
    predictions, masks = random_pairs(4, seed=8)
    wrong = ((predictions != (masks == 1)) & (masks != 255)).sum()
    assert scores(counted(predictions, masks), np.zeros(4))["wrong_pixels"] == wrong


def foreground(predicted: int, truth: int, hits: int, pixels: int = 100_000) -> np.ndarray:
    counts = [hits, predicted - hits, truth - hits, pixels - predicted - truth + hits, 0, 0]
    return np.array([counts, counts], np.int64)


@pytest.mark.parametrize(
    ("what", "counts", "expected"),
    [
        ("no pixel at all", foreground(0, 10_000, 0), "nothing"),
        ("a few stray pixels", foreground(30, 10_000, 10), "nothing"),
        ("poor, but it predicts", foreground(600, 10_000, 500), None),
        ("good", foreground(10_000, 10_000, 8000), None),
        ("all pixels", foreground(100_000, 10_000, 10_000), "everything"),
        ("all but a few", foreground(99_800, 10_000, 9_990), "everything"),
        ("far too much", foreground(80_000, 10_000, 9_900), None),
        ("nothing, and there is nothing", foreground(0, 0, 0), None),
        ("everything, and there is nothing else", foreground(100_000, 100_000, 100_000), None),
    ],
)
def test_a_method_that_predicts_the_same_everywhere_is_recognised(
    what: str, counts: np.ndarray, expected: str | None
) -> None:
    assert constant_prediction(counts) == expected, what


def test_of_several_classes_one_that_is_predicted_everywhere_is_recognised() -> None:
    one = np.zeros((2, 3, 6), np.int64)
    one[:, :, :4] = [[20, 40, 0, 0], [0, 0, 20, 40], [0, 0, 20, 40]]
    assert constant_prediction(one) == "one class"
    two = one.copy()
    two[:, :2, :4] = [[20, 20, 0, 20], [20, 0, 0, 40]]
    assert constant_prediction(two) is None


def test_ignored_pixels_change_nothing() -> None:
    predictions, masks = random_pairs(1, seed=2)
    flipped = np.where(masks == 255, ~predictions, predictions)
    assert (counted(predictions, masks) == counted(flipped, masks)).all()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.integers(1, 4), share=st.floats(0.05, 0.98))
def test_boundary_equals_mask_minus_its_repeated_erosion(seed: int, width: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((19, 23)) < share
    eroded = ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=width, border_value=0)
    assert (boundaries(mask[None], width)[0] == (mask & ~eroded)).all()


def test_gain_and_interval_agree_with_a_plain_bootstrap() -> None:
    better, masks = random_pairs(30, seed=3)
    worse = np.where(np.random.default_rng(4).random(masks.shape) < 0.1, ~better, better)
    a, b = counted(better, masks), counted(worse, masks)
    found = paired_gain(a, b, resamples=4000, seed=0)
    rng = np.random.default_rng(99)
    draws = [rng.integers(30, size=30) for _ in range(4000)]
    plain = [iou(a[d].sum(0)) - iou(b[d].sum(0)) for d in draws]
    assert found["iou_micro"] == pytest.approx(float(iou(a.sum(0)) - iou(b.sum(0))))
    assert found["ci95"] == pytest.approx(np.quantile(plain, [0.025, 0.975]).tolist(), abs=0.002)
    assert found["p"] == pytest.approx(1 / 4000)
    low, high = interval(a, resamples=2000, seed=0)
    assert low < iou(a.sum(0)) < high


def test_images_of_one_group_are_drawn_together() -> None:
    """Copies of an image in one group do not narrow the interval."""
    better, masks = random_pairs(12, seed=3)
    worse = np.where(np.random.default_rng(4).random(masks.shape) < 0.2, ~better, better)
    a, b = (counted(some, masks) for some in (better, worse))
    alone = paired_gain(a, b, resamples=1000, seed=0)
    groups = np.tile(np.array([f"video {i}" for i in range(12)]), 4)
    copied = paired_gain(np.tile(a, (4, 1)), np.tile(b, (4, 1)), resamples=1000, seed=0, groups=groups)
    assert copied == alone
    assert interval(np.tile(a, (4, 1)), 1000, 0, groups) == interval(a, 1000, 0)
    each_its_own = np.array([f"image {9 - i}" for i in range(12)])
    assert paired_gain(a, b, resamples=1000, seed=0, groups=each_its_own) == alone, "names of groups do not matter"
    with pytest.raises(ValueError, match="image 1 has no group"):
        interval(a[:3], 10, 0, np.array(["a", None, "b"]))
    unaware = paired_gain(np.tile(a, (4, 1)), np.tile(b, (4, 1)), resamples=1000, seed=0)
    assert np.ptp(unaware["ci95"]) < 0.7 * np.ptp(alone["ci95"])


def test_a_single_image_or_group_gives_the_widest_interval() -> None:
    better, masks = random_pairs(4, seed=3)
    a, b = counted(better, masks), counted(~better, masks)
    one_video = np.zeros(4)
    for few, other, groups in ((a[:1], b[:1], None), (a, b, one_video)):
        found = paired_gain(few, other, resamples=100, seed=0, groups=groups)
        assert (found["ci95"], found["p"]) == ([-1.0, 1.0], 1.0)
        assert interval(few, 100, 0, groups) == [0.0, 1.0]


def test_a_method_does_not_gain_over_itself() -> None:
    counts = counted(*random_pairs(10, seed=5))
    assert paired_gain(counts, counts, resamples=200, seed=0) == {"iou_micro": 0.0, "ci95": [0.0, 0.0], "p": 1.0}


def test_a_paired_test_refuses_different_images() -> None:
    counts = counted(*random_pairs(4, seed=6))
    with pytest.raises(ValueError, match="same images"):
        paired_gain(counts, counts[:3], resamples=10, seed=0)


def classes(images: int = 40, number: int = 5, seed: int = 0) -> np.ndarray:
    """Counts (images, number, 6); the last class is neither present nor predicted."""
    counts = np.random.default_rng(seed).integers(300, 900, (images, number, 6))
    counts[:, -1, :3] = 0
    return counts


def test_a_stray_pixel_of_an_absent_class_changes_no_score() -> None:
    clean = classes()
    stray = clean.copy()
    stray[7, -1, 1] = 1
    assert paired_gain(clean, stray, 200, 0) == paired_gain(clean, clean, 200, 0)
    assert scores(stray, np.zeros((40, 5))) == scores(clean, np.zeros((40, 5)))
    present = clean[:, :-1]
    assert scores(clean, np.zeros((40, 5)))["iou_micro"] == pytest.approx(np.mean(iou(present.sum(0))))


def test_draws_without_an_object_are_left_out() -> None:
    rare = np.zeros((20, 6), np.int64)
    rare[:, 3] = 4096
    rare[3] = [300, 100, 600, 3096, 0, 0]
    assert interval(rare, 500, 0) == [0.3, 0.3]  # the same image, however often it is drawn
    better = rare.copy()
    better[3] = [600, 100, 300, 3096, 0, 0]
    gain = paired_gain(better, rare, 500, 0)
    assert gain["ci95"] == pytest.approx([0.3, 0.3])
    assert gain["p"] == pytest.approx(1 / 500, abs=0.002)
    assert interval(np.where(np.arange(6) == 3, 4096, 0) * np.ones((20, 1), np.int64), 500, 0) == [1, 1]


def test_images_without_valid_pixels_are_left_out() -> None:
    predictions, masks = random_pairs(4, seed=3)
    masks[2:] = 255
    counts = counted(predictions, masks)
    found = scores(counts, np.array([0.1, 0.2, 0, 0]))
    assert found == scores(counts[:2], np.array([0.1, 0.2]))
    assert found["mae"] == pytest.approx(0.15)
    assert scores(counts[2:], np.zeros(2))["iou_macro"] == 1


def class_masks(images: int, number: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids of predicted and true classes, (images, 21, 26); some are ignored, and images lack classes."""
    rng = np.random.default_rng(seed)
    truth = ndimage.zoom(rng.integers(0, number, (images, 3, 4)), (1, 7, 6.5), order=0).astype(np.uint8)
    predicted = np.where(rng.random(truth.shape) < 0.8, truth, rng.integers(0, number, truth.shape))
    truth[rng.random(truth.shape) < 0.1] = 255
    return predicted, truth


def counted_classes(predicted: np.ndarray, truth: np.ndarray, number: int) -> np.ndarray:
    return np.array(
        [
            [count_image(p == k, np.where(t == 255, 255, t == k).astype(np.uint8)) for k in range(number)]
            for p, t in zip(predicted, truth, strict=True)
        ]
    )


def sklearn_scores(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Means over the classes that the truth has."""
    p, t = predicted[truth != 255], truth[truth != 255]
    how = {"labels": np.unique(t), "average": "macro", "zero_division": 1}
    return {
        "iou_micro": jaccard_score(t, p, **how),
        "dice": f1_score(t, p, **how),
        "precision": precision_score(t, p, **how),
        "recall": recall_score(t, p, **how),
        "pixel_accuracy": accuracy_score(t, p),
    }


def test_scores_of_several_classes_equal_those_of_scikit_learn() -> None:
    predicted, truth = class_masks(8, 4, seed=0)
    truth[0] = 255
    truth[truth == 3] = 255  # a class that is predicted and never true
    found = scores(counted_classes(predicted, truth, 4), np.zeros((8, 4)))
    expected = sklearn_scores(predicted, truth)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["wrong_pixels"] == np.count_nonzero((predicted != truth)[truth != 255])
    each = [sklearn_scores(p, t)["iou_micro"] for p, t in zip(predicted[1:], truth[1:], strict=True)]
    assert found["iou_macro"] == pytest.approx(np.mean(each))


def test_only_several_classes_have_a_pixel_accuracy() -> None:
    predicted, truth = class_masks(3, 2, seed=1)
    counts = counted_classes(predicted, truth, 2)
    assert set(scores(counts, np.zeros((3, 2)))) - set(scores(counts[:, :1], np.zeros((3, 1)))) == {"pixel_accuracy"}


def test_boundary_iou_of_a_set_is_that_of_all_its_outlines() -> None:
    rng = np.random.default_rng(7)
    masks = (ndimage.gaussian_filter(rng.normal(size=(4, 60, 80)), (0, 4, 4)) > 0).astype(np.uint8)
    predictions = ndimage.gaussian_filter(masks + rng.normal(0, 1, masks.shape), (0, 2, 2)) > 0.5
    width = max(1, round(0.02 * np.hypot(60, 80)))  # 2 % of the diagonal, as Cheng et al. (CVPR 2021)
    square = np.ones((1, 3, 3), bool)
    ours, theirs = (
        m & ~ndimage.binary_erosion(m, square, iterations=width, border_value=0) for m in (predictions, masks == 1)
    )
    found = scores(counted(predictions, masks), np.zeros(4))
    assert found["boundary_iou"] == pytest.approx((ours & theirs).sum() / (ours | theirs).sum())
    assert found["boundary_iou"] < found["iou_micro"]


def test_a_single_pixel_counts() -> None:
    """One true pixel makes an image's object, and one valid pixel an image, however small."""
    blank, dot = np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.uint8)
    dot[2, 2] = 1
    missed = scores(counted(blank[None], dot[None]), np.zeros(1))
    assert (missed["iou_micro"], missed["recall"], missed["dice"]) == (0, 0, 0)
    assert present_in_truth(count_image(blank, dot))
    assert not present_in_truth(count_image(dot, blank))
    one_valid = np.full((5, 5), 255, np.uint8)
    one_valid[0, 0] = 0
    ignored = np.full((5, 5), 255, np.uint8)
    counts = counted(np.ones((3, 5, 5)), np.stack([one_valid, ignored, np.ones((5, 5), np.uint8)]))
    assert present(by_class(counts)).tolist() == [True, False, True]
    assert scores(counts, np.array([1.0, 7.0, 0.0]))["iou_macro"] == 0.5
    assert scores(counts, np.array([1.0, 7.0, 0.0]))["mae"] == 0.5


def test_mean_iou_of_each_image_is_over_its_own_classes() -> None:
    counts = np.zeros((3, 2, 6), np.int64)
    counts[0, 0, :3], counts[0, 1, :3] = (6, 2, 2), (0, 3, 0)  # the second class is a false alarm
    counts[1, :, 3] = 9  # no class in the truth, nothing predicted
    counts[2, 0, :3], counts[2, 1, :3] = (1, 1, 0), (1, 0, 3)
    assert mean_iou(counts).tolist() == [0.6, 1.0, 0.375]


@pytest.mark.parametrize("shape", [(6,), (4, 5), (4, 2, 5), (1, 4, 2, 6)])
def test_counts_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"counts must be \(images, 6\) or \(images, C, 6\), got \("):
        by_class(np.zeros(shape, np.int64))
