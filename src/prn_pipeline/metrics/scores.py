"""Scores of a set of images from its counts."""

from __future__ import annotations

import numpy as np

from prn_pipeline.metrics.counts import COLUMNS


def iou(counts: np.ndarray) -> np.ndarray:
    """Foreground intersection over union of counts (..., 6); an empty mask predicted empty scores 1.

    On the sum over all images this is `iou_micro`, the paper's mIoU; the mean over each image's own is `iou_macro`.
    """
    true_positives, errors = counts[..., 0], counts[..., 1] + counts[..., 2]
    return _ratio(true_positives, true_positives + errors)


def scores(counts: np.ndarray, mean_absolute_errors: np.ndarray) -> dict[str, float]:
    """All scores of one method.

    Args:
        counts: int64 (images, 6), see `counts.COLUMNS`.
        mean_absolute_errors: float (images,): mean over valid pixels of |probability (or mask) - truth|.

    Returns:
        iou_micro, iou_macro, dice, precision, recall, boundary_iou, mae; all in [0, 1]. All but iou_macro and mae
        are of the pixels of all images together.
    """
    if counts.ndim != 2 or counts.shape[1] != len(COLUMNS):
        raise ValueError(f"counts must be (images, {len(COLUMNS)}), got {counts.shape}")
    total = counts.sum(0)
    true_positives, false_positives, false_negatives = total[:3]
    return {
        "iou_micro": float(iou(total)),
        "iou_macro": float(iou(counts).mean()),
        "dice": float(_ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives)),
        "precision": float(_ratio(true_positives, true_positives + false_positives)),
        "recall": float(_ratio(true_positives, true_positives + false_negatives)),
        "boundary_iou": float(_ratio(total[4], total[5])),
        "mae": float(mean_absolute_errors.mean()),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; nothing of nothing is 1."""
    return np.where(whole > 0, part / np.maximum(whole, 1), 1.0)
