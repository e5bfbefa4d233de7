"""Boosting and evaluation of trees in numba: the loops that take the time."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True, fastmath=True)
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
    pixels, count = bins.shape[1], len(rows)
    columns = np.empty((len(features), count), np.uint8)
    for number in range(len(features)):
        column = bins[features[number]]
        for place in range(count):
            columns[number, place] = column[rows[place]]
    slope_of_row, curve_of_row = gradients[rows], curvatures[rows]
    first_bin = np.zeros(count, np.int32)  # of the leaf that a row is in
    asked, limits, winner = np.zeros(depth, np.int64), np.zeros(depth, np.int64), 0
    for level in range(depth):
        nodes = 1 << level
        sums = np.empty((nodes * levels, 2))
        best = -1.0
        for number in range(len(features)):
            sums[:] = 0
            column = columns[number]
            for place in range(count):
                cell = first_bin[place] + column[place]
                sums[cell, 0] += slope_of_row[place]
                sums[cell, 1] += curve_of_row[place]
            gain, limit = _best_limit(sums.reshape(nodes, levels, 2), penalty)
            if gain > best:
                best, asked[level], limits[level], winner = gain, features[number], limit, number
        column = columns[winner]
        for place in range(count):
            first_bin[place] = 2 * first_bin[place] + (column[place] > limits[level]) * levels
    slope_of, curve_of = np.zeros(1 << depth), np.zeros(1 << depth)
    for place in range(count):
        slope_of[first_bin[place] // levels] += slope_of_row[place]
        curve_of[first_bin[place] // levels] += curve_of_row[place]
    leaf = np.zeros(pixels, np.int64)
    for level in range(depth):
        column, limit = bins[asked[level]], limits[level]
        for pixel in range(pixels):
            leaf[pixel] = 2 * leaf[pixel] + (column[pixel] > limit)
    return asked, limits, -slope_of / (curve_of + penalty), leaf


@numba.njit(cache=True, nogil=True, fastmath=True)
def _best_limit(sums: Floats, penalty: float) -> tuple[float, int]:  # pragma: no cover
    """Gain of the best limit that all nodes share, and its bin; sums of both derivatives (nodes, bins, 2)."""
    levels = sums.shape[1]
    gains = np.zeros(levels - 1)
    for node in range(len(sums)):
        slope, curve = sums[node, :, 0].sum(), sums[node, :, 1].sum()
        low, low_curve = 0.0, 0.0
        for limit in range(levels - 1):
            low += sums[node, limit, 0]
            low_curve += sums[node, limit, 1]
            gains[limit] += low * low / (low_curve + penalty)
            gains[limit] += (slope - low) ** 2 / (curve - low_curve + penalty)
    best = int(np.argmax(gains))
    return gains[best], best


@numba.njit(cache=True, nogil=True)
def differentiate(
    logits: Floats, targets: Floats, weights: Floats, learn: NDArray[np.bool_], least: float
) -> tuple[Floats, Floats, Floats]:  # pragma: no cover
    """Weighted cross-entropy of each pixel, differentiated by its logit.

    Args:
        logits: of each pixel.
        targets: share of foreground, 0 .. 1.
        weights: of each pixel.
        learn: pixels to learn from.
        least: smallest second derivative of a pixel of weight 1.

    Returns:
        First and second derivatives (pixels,), and the mean loss of the pixels to learn from and of the others (2,).
    """
    slopes, curves = np.empty_like(logits), np.empty_like(logits)
    loss, weight = np.zeros(2), np.zeros(2)
    for pixel in range(len(logits)):
        odds = np.exp(-abs(logits[pixel]))
        probability = (1.0 if logits[pixel] >= 0 else odds) / (1 + odds)
        slopes[pixel] = weights[pixel] * (probability - targets[pixel])
        curves[pixel] = weights[pixel] * max(probability * (1 - probability), least)
        entropy = max(logits[pixel], 0.0) + np.log1p(odds) - targets[pixel] * logits[pixel]
        loss[1 - learn[pixel]] += weights[pixel] * entropy
        weight[1 - learn[pixel]] += weights[pixel]
    return slopes, curves, loss / weight


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
