"""Pseudo-labels as the paper describes them, in plain numpy: a loop over patches and a loop over thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

PAPER_SMOOTH = 1.0
Count = Callable[[np.ndarray], int | np.integer]


class PatchLabel(NamedTuple):
    """Labels uint8 of one patch, the threshold that made them, and its smoothed IoU."""

    labels: np.ndarray
    threshold: np.float32
    iou: float


def candidates(probabilities: np.ndarray, levels: int | None) -> np.ndarray:
    """Thresholds to try on one patch, float32, ascending: k / levels, or 0 and every distinct value."""
    if levels is None:
        return np.unique(np.append(probabilities.ravel(), np.float32(0)))
    return (np.arange(1, levels + 1) / levels).astype(np.float32)


def label_patch(
    probabilities: np.ndarray, mask: np.ndarray, thresholds: np.ndarray, count: Count = np.sum
) -> PatchLabel:
    """The best of ascending thresholds by smoothed IoU; ties go to the lowest.

    Args:
        probabilities: float32 (h,w).
        mask: uint8 (h,w), 0 and 1.
        thresholds: float32 (K,).
        count: of the foreground of a bool array: `np.sum`, as one writes it, or the faster `np.count_nonzero`.
    """
    truth = mask == 1
    best = -1.0
    for candidate in thresholds:
        prediction = probabilities > candidate
        intersection = int(count(prediction & truth))
        union = int(count(prediction | truth))
        score = (intersection + PAPER_SMOOTH) / (union + PAPER_SMOOTH)
        if score > best:
            best, chosen = score, candidate
    return PatchLabel((probabilities > chosen).astype(np.uint8), np.float32(chosen), best)
