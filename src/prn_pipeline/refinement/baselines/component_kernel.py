"""Counts of masks under every pair of sizes of components and holes, in one pass over the pixels, compiled by numba.

Larger sizes remove more components, so background only grows. It is kept as trees of connected pixels (union-find), and
with them the number of pixels in all holes that each hole size fills.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count_sizes(survived, truth, pixels, least, counts):  # type: ignore[no-untyped-def]
    """Add the predicted pixels of one image, by the two sizes of `components.without_small_components`.

    Args:
        survived: uint8 (H + 2, W + 2): how many component sizes, from the smallest on, the component of a pixel is not
            below; 0 for background; `sizes` in the frame around the image, which nothing removes.
        truth: uint8 (H + 2, W + 2): 0, 1, or 2, which is ignored, also in the frame.
        pixels: int64 (3,): how many pixels have each value in `truth`.
        least: float64 (sizes,), ascending: fewest pixels of a component, or hole, that stays.
        counts: int64 (3, sizes, sizes), changed in place: predicted pixels of background and foreground of the
            truth, and ignored ones, of which the frame is a part.
    """
    sizes, labels = len(least), truth.ravel()
    order, ends = _in_order_of_removal(survived.ravel(), sizes)
    sides = np.array([-survived.shape[1], survived.shape[1], -1, 1])
    parent = np.full(survived.size, -1, np.int32)  # -1: foreground, or the frame
    # Of the tree of a root: pixels, pixels by their truth, and how many hole sizes it is not below.
    area, found = np.ones(survived.size, np.int32), np.zeros((survived.size, 3), np.int32)
    one = 0  # the level of a single pixel
    while one < sizes and least[one] <= 1:
        one += 1
    level = np.full(survived.size, one, np.uint8)
    holes = np.zeros((3, sizes + 1), np.int64)  # `found` of all trees, by their level
    present = pixels.copy()  # those that are not background yet
    for step in range(sizes):
        for pixel in order[ends[step] : ends[step + 1]]:
            parent[pixel], found[pixel, labels[pixel]], root = pixel, 1, pixel
            present[labels[pixel]] -= 1
            holes[labels[pixel], one] += 1
            for side in sides:
                other = pixel + side
                if parent[other] < 0:
                    continue
                while parent[other] != other:
                    parent[other] = parent[parent[other]]
                    other = parent[other]
                if other == root:
                    continue
                if area[other] > area[root]:
                    root, other = other, root
                joined = level[root]
                while joined < sizes and least[joined] <= area[root] + area[other]:
                    joined += 1
                for value in range(3):
                    holes[value, level[other]] -= found[other, value]
                    holes[value, level[root]] -= found[root, value]
                    found[root, value] += found[other, value]
                    holes[value, joined] += found[root, value]
                parent[other], level[root] = root, joined
                area[root] += area[other]
        for value in range(3):
            predicted = present[value]
            for hole in range(sizes):
                predicted += holes[value, hole]
                counts[value, step, hole] += predicted


@numba.njit(cache=True, nogil=True)
def _in_order_of_removal(survived, sizes):  # type: ignore[no-untyped-def]
    """Pixels sorted by the size that removes them, int32 (pixels,), and where those of each size begin."""
    ends = np.zeros(sizes + 2, np.int64)
    for first in survived:
        ends[first + 1] += 1
    for size in range(sizes + 1):
        ends[size + 1] += ends[size]
    order, place = np.empty(len(survived), np.int32), ends.copy()
    for pixel, first in enumerate(survived):
        order[place[first]] = pixel
        place[first] += 1
    return order, ends
