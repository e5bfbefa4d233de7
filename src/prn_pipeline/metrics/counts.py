"""Pixels counted once, an image at a time; every score is made from these numbers."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

#: Mask value of pixels that count nowhere.
IGNORE = 255

#: Columns of `count_image`, in order.
COLUMNS = (
    "true_positives",
    "false_positives",
    "false_negatives",
    "true_negatives",
    "boundary_intersection",
    "boundary_union",
)

#: Width of the boundary band as a share of the image's diagonal (Cheng et al., Boundary IoU, CVPR 2021).
BOUNDARY_SHARE = 0.02


def count_image(prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Counts of one image.

    Args:
        prediction: bool or uint8 (H,W), non-zero is foreground.
        mask: uint8 (H,W): 0, 1, or 255 = ignore.

    Returns:
        int64 (6,), in the order of `COLUMNS`.
    """
    valid = mask != IGNORE
    predicted, truth = (prediction != 0) & valid, mask == 1
    true_positives = np.count_nonzero(predicted & truth)
    false_positives = np.count_nonzero(predicted) - true_positives
    false_negatives = np.count_nonzero(truth) - true_positives
    true_negatives = np.count_nonzero(valid) - true_positives - false_positives - false_negatives
    band = boundary_width(mask.shape)
    inner, outer = boundary(predicted, band), boundary(truth, band)
    return np.array(
        [
            true_positives,
            false_positives,
            false_negatives,
            true_negatives,
            np.count_nonzero(inner & outer),
            np.count_nonzero(inner | outer),
        ],
        dtype=np.int64,
    )


def boundary_width(shape: tuple[int, ...]) -> int:
    """Width in pixels of the boundary band of an image (H,W), at least 1."""
    return max(1, round(BOUNDARY_SHARE * math.hypot(*shape)))


def boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Foreground pixels within `width` pixels (chessboard distance) of background or of the image's border, bool (H,W).

    Equal to the mask minus its erosion by `width` steps of a 3 x 3 square.
    """
    if not mask.any():
        return np.zeros_like(mask, dtype=bool)
    # One pass of a minimum filter as wide as all steps together; outside the image counts as background.
    return mask & ~ndimage.minimum_filter(mask, size=2 * width + 1, mode="constant", cval=0)
