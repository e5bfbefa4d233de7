"""Scores of a set of images, from its counts.

Counts are (images, C, 6) for C classes, or (images, 6) for foreground alone. Scores of several classes are means over
classes.

What 0 / 0 means: an empty mask that is predicted empty is right, so its IoU, Dice and boundary IoU are 1. Precision
says nothing about a method that predicts nothing, and recall nothing where the truth is empty: both are undefined.
"""

from __future__ import annotations

import numpy as np

from prn_pipeline.metrics.counts import COLUMNS


def iou(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of counts (..., 6); an empty mask predicted empty scores 1."""
    true_positives, errors = counts[..., 0], counts[..., 1] + counts[..., 2]
    return _ratio(true_positives, true_positives + errors)


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """Mean IoU over the classes that are present in the truth: counts (..., C, 6) -> float64 (...).

    The truth alone decides which classes are present, so all methods are averaged over the same classes, and a stray
    pixel of an absent class lowers only the IoU of the class that it was taken from. Of the sum over all images this is
    `iou_micro`, the paper's mIoU; the mean over the images is `iou_macro`.
    """
    return _mean_over_classes(iou(counts), present_in_truth(counts))


def present_in_truth(counts: np.ndarray) -> np.ndarray:
    """Whether the truth has a foreground pixel: counts (..., 6) -> bool (...)."""
    return np.asarray(counts[..., 0] + counts[..., 2] > 0)


def present(counts: np.ndarray) -> np.ndarray:
    """Whether an image has a pixel that is not ignored: counts (images, C, 6) -> bool (images,); all, if none has."""
    valid = counts[..., :4].sum((1, 2)) > 0
    return valid if valid.any() else ~valid


def by_class(counts: np.ndarray) -> np.ndarray:
    """Counts (images, 6) as (images, 1, 6); counts of several classes are returned unchanged.

    Raises:
        ValueError: another shape.
    """
    counts = counts[:, None] if counts.ndim == 2 else counts
    if counts.ndim != 3 or counts.shape[2] != len(COLUMNS):
        raise ValueError(f"counts must be (images, {len(COLUMNS)}) or (images, C, {len(COLUMNS)}), got {counts.shape}")
    return counts


def wrong_pixels(counts: np.ndarray) -> int:
    """Valid pixels of all images on which a method errs: counts (images, 6) or (images, C, 6).

    With several classes a wrong pixel is a miss of its true class and a false alarm of another one: the misses count.
    """
    false_positives, false_negatives = by_class(counts)[..., 1:3].sum((0, 1))
    return int(false_negatives + (false_positives if by_class(counts).shape[1] == 1 else 0))


def scores(counts: np.ndarray, mean_absolute_errors: np.ndarray) -> dict[str, float | None]:
    """All scores of one method.

    Args:
        counts: int64 (images, 6) or (images, C, 6), see `counts.COLUMNS`.
        mean_absolute_errors: float (images,) or (images, C): mean over valid pixels of |probability (or mask) - truth|.

    Returns:
        iou_micro, iou_macro, dice, precision, recall, boundary_iou, mae, and with several classes pixel_accuracy; all
        in [0, 1]; and wrong_pixels, see there. iou_macro and mae are means over the images that have a pixel that is
        not ignored; the others are computed from the pixels of all images. Precision is None where nothing is
        predicted, and recall where the truth is empty; with several classes, their means leave such classes out.
    """
    counts = by_class(counts)
    total, valid = counts.sum(0), present(counts)
    classes = present_in_truth(total)
    true_positives, false_positives, false_negatives = total[:, :3].T

    def mean(part: np.ndarray, whole: np.ndarray) -> float:
        return float(_mean_over_classes(_ratio(part, whole), classes))

    def defined(part: np.ndarray, whole: np.ndarray) -> float | None:
        chosen = (whole > 0) & (classes if classes.any() else True)
        return float(np.mean(part[chosen] / whole[chosen])) if chosen.any() else None

    found: dict[str, float | None] = {
        "iou_micro": float(mean_iou(total)),
        "iou_macro": float(mean_iou(counts[valid]).mean()),
        "dice": mean(2 * true_positives, 2 * true_positives + false_positives + false_negatives),
        "precision": defined(true_positives, true_positives + false_positives),
        "recall": defined(true_positives, true_positives + false_negatives),
        "boundary_iou": mean(total[:, 4], total[:, 5]),
        "mae": float(mean_absolute_errors.reshape(len(counts), -1)[valid].mean()),
        "wrong_pixels": wrong_pixels(counts),
    }
    if counts.shape[1] > 1:
        found["pixel_accuracy"] = float(_ratio(true_positives.sum(), (true_positives + false_negatives).sum()))
    return found


def _mean_over_classes(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Mean over the last axis of the classes that are present; of all classes where none is."""
    weights = np.where(classes.any(-1, keepdims=True), classes, True)
    return (values * weights).sum(-1) / weights.sum(-1)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; 0 / 0 is 1."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
