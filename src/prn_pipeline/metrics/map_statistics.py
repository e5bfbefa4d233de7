"""Errors of probabilities by patch, by confidence, and by distance from an outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.metrics.counts import boundary_width

#: Rows before and after, columns before and after.
Padding = tuple[tuple[int, int], tuple[int, int]]
NO_PADDING: Padding = ((0, 0), (0, 0))
#: Bins of the reliability diagram.
BINS = 10


@dataclass(frozen=True)
class MapStatistics:
    """Statistics of one method's maps of a whole split.

    Attributes:
        patch_bias: float32 (g,g), mean over images of (mean probability - mean mask) in each patch; NaN where no
            pixel is valid.
        reliability: float64 (BINS,3), for the pixels whose probability is in a bin: their number, their mean
            probability and their share of foreground; the last two are NaN in empty bins.
        errors: int64 (2,2), wrong pixels: rows false positives and false negatives, columns near the outline of the
            truth and away from it.
        foreground: int64, true foreground pixels.
    """

    patch_bias: np.ndarray
    reliability: np.ndarray
    errors: np.ndarray
    foreground: int

    @property
    def calibration_error(self) -> float:
        """Mean distance of probability from frequency over pixels (expected calibration error), in [0, 1]."""
        number, probability, frequency = self.reliability.T
        filled = number > 0
        return (
            float(np.average(np.abs(probability - frequency)[filled], weights=number[filled])) if filled.any() else 0.0
        )


class MapStatisticsCounter:
    """Collects `MapStatistics` one image at a time.

    Args:
        patch_size: side of a patch in pixels.
    """

    def __init__(self, patch_size: int) -> None:
        self._patch = patch_size
        self._bias, self._images = np.zeros(()), np.zeros(())
        self._bins = np.zeros((BINS, 3))
        self._errors = np.zeros((2, 2), np.int64)
        self._foreground = 0

    def add(
        self, probabilities: np.ndarray, mask: np.ndarray, predicted: np.ndarray, padding: Padding = NO_PADDING
    ) -> None:
        """Count one image.

        Args:
            probabilities: float (H,W) in [0, 1].
            mask: uint8 (H,W): 0, 1, or 255 = ignore.
            predicted: bool (H,W), foreground according to the method.
            padding: pixels of the sample above and below the image, and at its left and right. Patches are those of the
                sample, and padding counts in none.
        """
        valid, truth = mask != IGNORE, mask == 1
        excess = patch_sums(np.pad(np.where(valid, probabilities - truth, 0.0), padding), self._patch)
        pixels = patch_sums(np.pad(valid, padding), self._patch)
        self._bias = self._bias + np.where(pixels > 0, excess / np.maximum(pixels, 1), 0.0)
        self._images = self._images + (pixels > 0)

        sure, right = probabilities[valid].astype(np.float64), truth[valid]
        bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
        for column, weights in enumerate((None, sure, right)):
            self._bins[:, column] += np.bincount(bins, weights, minlength=BINS)

        near = near_outline(truth, boundary_width(mask.shape))
        for row, wrong in enumerate((predicted & ~truth & valid, ~predicted & truth & valid)):
            self._errors[row] += np.count_nonzero(wrong & near), np.count_nonzero(wrong & ~near)
        self._foreground += int(np.count_nonzero(truth & valid))

    def result(self) -> MapStatistics:
        """Statistics of all images so far."""
        bias = np.where(self._images > 0, self._bias / np.maximum(self._images, 1), np.nan).astype(np.float32)
        number, *sums = self._bins.T
        means = [np.where(number > 0, total / np.maximum(number, 1), np.nan) for total in sums]
        return MapStatistics(bias, np.stack([number, *means], axis=1), self._errors.copy(), self._foreground)


def near_outline(truth: np.ndarray, width: int) -> np.ndarray:
    """Pixels within `width` (chessboard distance) of a pixel of the other class: bool (H,W) -> the same."""
    square = 2 * width + 1
    as_bytes = truth.astype(np.uint8)
    return maximum_filter(as_bytes, square, mode="nearest") != minimum_filter(as_bytes, square, mode="nearest")


def patch_sums(values: np.ndarray, patch_size: int) -> np.ndarray:
    """Sum of each patch, float64 (g,g); patches at the right and lower edge may be smaller."""
    edges = [np.arange(0, side, patch_size) for side in values.shape]
    return np.add.reduceat(np.add.reduceat(values.astype(np.float64), edges[0], axis=0), edges[1], axis=1)
