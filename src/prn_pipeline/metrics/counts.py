"""Pixel counts of every image, from which all scores are computed."""

from __future__ import annotations

import math

import numpy as np

from prn_pipeline.data.sample_format import IGNORE

#: Columns of all counts, in order.
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


class TruthCounter:
    """Counts the predictions of any number of methods against the truth of one batch, which is prepared once.

    Args:
        masks: uint8 (N,H,W): 0, 1, or 255 = ignore.
    """

    def __init__(self, masks: np.ndarray) -> None:
        self.valid, self.truth = masks != IGNORE, masks == 1
        self._band = boundary_width(masks.shape[1:])
        self._outline = boundaries(self.truth, self._band)
        self._sizes = _pixels(self.valid), _pixels(self.truth), _pixels(self._outline)

    @property
    def outline_pixels(self) -> np.ndarray:
        """True pixels within the boundary band of each mask, int64 (N,)."""
        return self._sizes[2]

    def count(self, predictions: np.ndarray) -> np.ndarray:
        """Counts of one method.

        Args:
            predictions: bool (N,H,W).

        Returns:
            int64 (N,6), in the order of `COLUMNS`.
        """
        valid, truth, outer = self._sizes
        predicted = predictions & self.valid
        outline = boundaries(predicted, self._band)
        positives, true_positives = _pixels(predicted), _pixels(predicted & self.truth)
        false_positives, false_negatives = positives - true_positives, truth - true_positives
        shared = _pixels(outline & self._outline)
        union = _pixels(outline) + outer - shared
        true_negatives = valid - positives - false_negatives
        return np.stack([true_positives, false_positives, false_negatives, true_negatives, shared, union], axis=1)


def count_image(prediction: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Counts of one image.

    Args:
        prediction: bool or uint8 (H,W), non-zero is foreground.
        mask: uint8 (H,W): 0, 1, or 255 = ignore.

    Returns:
        int64 (6,), in the order of `COLUMNS`.
    """
    return TruthCounter(mask[None]).count(prediction[None] != 0)[0]


def boundary_width(shape: tuple[int, ...]) -> int:
    """Width in pixels of the boundary band of an image (H,W), at least 1."""
    return max(1, round(BOUNDARY_SHARE * math.hypot(*shape)))


def boundaries(masks: np.ndarray, width: int) -> np.ndarray:
    """Foreground within `width` pixels (chessboard distance) of background or border: bool (N,H,W) -> the same.

    Equal to each mask minus its erosion by `width` steps of a 3 x 3 square. The erosion is a minimum over windows of
    2 width + 1 pixels, along one axis and then the other. Windows of 1, 2, 4, ... pixels are combined, so the number of
    passes grows with the logarithm of the width.
    """
    eroded = _minimum_of_rows(_minimum_of_rows(masks, width).swapaxes(1, 2), width).swapaxes(1, 2)
    return masks & ~eroded


def _minimum_of_rows(masks: np.ndarray, width: int) -> np.ndarray:
    """Whether all pixels within `width` rows are foreground, outside the image is background: bool (N,H,W)."""
    window, size = 2 * width + 1, 1
    run = np.pad(masks, ((0, 0), (width, width), (0, 0)))
    while size < window:
        step = min(size, window - size)
        run = run[:, :-step] & run[:, step:]
        size += step
    return run


def _pixels(masks: np.ndarray) -> np.ndarray:
    """Foreground pixels of each mask of a batch, int64 (N,)."""
    return np.array([np.count_nonzero(mask) for mask in masks], dtype=np.int64)  # faster than with an axis
