"""Boosting and evaluation of trees in numba: the loops that take the time."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@numba.njit(cache=True, fastmath=True)
def grow_tree(
    bins: NDArray[np.uint8],
    gradients: Floats,
    curvatures: Floats,
    rows: NDArray[np.int64],
    features: NDArray[np.int64],
    depth: int,
    levels: int,
    penalty: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, NDArray[np.int64]]:  # pragma: no cover
    """One tree that asks the same question in all nodes of a level.

    Args:
        bins: number of the bin that each feature of each pixel is in, (features, pixels).
        gradients: derivative of the loss by the logit of each pixel.
        curvatures: its second derivative.
        rows: pixels that the tree learns from; the others are only sent to their leaves.
        features: features that it may ask about.
        depth: questions.
        levels: number of bins.
        penalty: added to the curvature of a leaf.

    Returns:
        Feature and bin of each question ("is the bin higher?"), the Newton step of each leaf, and the leaf of each
        pixel. The first question decides the highest bit of a leaf's number.
    """
    pixels = bins.shape[1]
    leaf = np.zeros(pixels, np.int64)
    asked, limits = np.zeros(depth, np.int64), np.zeros(depth, np.int64)
    for level in range(depth):
        nodes = 1 << level
        slopes = np.zeros((nodes, len(features), levels))
        curves = np.zeros((nodes, len(features), levels))
        for number in range(len(features)):
            column = bins[features[number]]
            for row in rows:
                slopes[leaf[row], number, column[row]] += gradients[row]
                curves[leaf[row], number, column[row]] += curvatures[row]
        best = -1.0
        for number in range(len(features)):
            gains = np.zeros(levels)
            for node in range(nodes):
                slope, curve = slopes[node, number].sum(), curves[node, number].sum()
                low, low_curve = 0.0, 0.0
                for limit in range(levels - 1):
                    low += slopes[node, number, limit]
                    low_curve += curves[node, number, limit]
                    gains[limit] += low * low / (low_curve + penalty)
                    gains[limit] += (slope - low) ** 2 / (curve - low_curve + penalty)
            for limit in range(levels - 1):
                if gains[limit] > best:
                    best, asked[level], limits[level] = gains[limit], features[number], limit
        column = bins[asked[level]]
        for pixel in range(pixels):
            leaf[pixel] = 2 * leaf[pixel] + (column[pixel] > limits[level])
    slope_of, curve_of = np.zeros(1 << depth), np.zeros(1 << depth)
    for row in rows:
        slope_of[leaf[row]] += gradients[row]
        curve_of[leaf[row]] += curvatures[row]
    return asked, limits, -slope_of / (curve_of + penalty), leaf


@numba.njit(cache=True, nogil=True)
def add_trees(
    features: NDArray[np.float32],
    asked: NDArray[np.int64],
    limits: NDArray[np.float32],
    values: NDArray[np.float32],
    total: NDArray[np.float32],
) -> None:  # pragma: no cover
    """Add the values of all trees to `total` (pixels,).

    Args:
        features: (features, pixels).
        asked: feature of each question, (trees, depth).
        limits: a feature above its limit answers yes, (trees, depth).
        values: (trees, 2^depth).
        total: changed in place.
    """
    block = 2048  # pixels whose features stay in the fast memory of a core
    leaf = np.zeros(block, np.int32)
    for first in range(0, features.shape[1], block):
        last = min(first + block, features.shape[1])
        for tree in range(len(asked)):
            leaf[:] = 0
            for question in range(asked.shape[1]):
                column, limit = features[asked[tree, question]], limits[tree, question]
                for pixel in range(first, last):
                    leaf[pixel - first] = 2 * leaf[pixel - first] + (column[pixel] > limit)
            for pixel in range(first, last):
                total[pixel] += values[tree, leaf[pixel - first]]
