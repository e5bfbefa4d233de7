"""Pseudo-labels on the CPU: one pass over the pixels with two histograms a patch, compiled by numba.

Float16 maps are read as their bits, which order non-negative numbers as the numbers themselves: nothing is converted.
Loop indices are unsigned, because numba then drops its test for negative ones and the loops over pixels vectorize.
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

Found = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]

_IGNORE = np.uint8(255)
_FLOAT16_MAGNITUDE = np.uint16(0x7FFF)  # all bits but the sign: -0.0 counts as 0.0
_FLOAT32_MAGNITUDE = np.uint32(0x7FFFFFFF)


def on_levels(
    probabilities: NDArray[np.floating],
    masks: NDArray[np.uint8],
    patch_size: int,
    thresholds: NDArray[np.float32],
    smooth: float,
) -> Found:
    """Best of `candidate_thresholds(levels)` for each patch; the arguments are those of `patch_pseudo_labels`."""
    found = _empty(probabilities.shape, patch_size)
    maps, truth = np.ascontiguousarray(probabilities), np.ascontiguousarray(masks)
    edges = np.concatenate([np.full(1, -1, np.float32), thresholds])  # threshold number k is edges[k]
    if maps.dtype == np.float16:
        ranks, cuts = _float16_tables(edges.tobytes())
        _levels_kernel(maps.view(np.uint16), truth, patch_size, edges, smooth, ranks, cuts, *found)
    else:
        _levels_kernel(maps, truth, patch_size, edges, smooth, None, edges, *found)
    return found


def exact(probabilities: NDArray[np.floating], masks: NDArray[np.uint8], patch_size: int, smooth: float) -> Found:
    """Best of 0 and all the patch's own values; the arguments are those of `patch_pseudo_labels`."""
    labels, thresholds, iou = _empty(probabilities.shape, patch_size)
    half = probabilities.dtype == np.float16
    magnitude = _FLOAT16_MAGNITUDE if half else _FLOAT32_MAGNITUDE
    best = np.empty(thresholds.shape, magnitude.dtype)
    bits = np.ascontiguousarray(probabilities).view(magnitude.dtype)
    _exact_kernel(bits, np.ascontiguousarray(masks), patch_size, smooth, magnitude, labels, best, iou)
    thresholds[:] = best.view(probabilities.dtype)
    return labels, thresholds, iou


def _empty(shape: tuple[int, ...], patch_size: int) -> Found:
    n, height, width = shape
    grid = (n, -(-height // patch_size), -(-width // patch_size))
    return np.empty(shape, np.uint8), np.empty(grid, np.float32), np.empty(grid, np.float32)


@lru_cache(maxsize=8)
def _float16_tables(edges: bytes) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """How many thresholds lie below each float16 of [0, 1], and the bits of the last float16 not above each edge."""
    levels = np.frombuffer(edges, np.float32)
    values = np.arange(np.float16(1).view(np.uint16) + 1, dtype=np.uint16).view(np.float16).astype(np.float32)
    ranks = np.searchsorted(levels[1:], values, side="left").astype(np.uint16)
    cuts = np.searchsorted(values, levels, side="right") - 1
    return ranks, np.maximum(cuts, 0).astype(np.uint16)


@numba.njit(cache=True, nogil=True)
def _score(intersection, union, smooth):  # type: ignore[no-untyped-def]
    return (intersection + smooth) / (union + smooth) if union + smooth > 0 else 1.0


@numba.njit(cache=True, nogil=True)
def _rank(value, edges):  # type: ignore[no-untyped-def]
    """How many of the thresholds k / levels lie below a float32.

    The product is exact in float64 and rounding is monotone, so edge number `guess` is at most `value` and the one
    after it at least `value`: only equality is left to tell.
    """
    guess = np.uint64(np.float64(value) * (len(edges) - 1))
    return np.uint32(guess) - np.uint32(edges[guess] >= value)


@numba.njit(cache=True, nogil=True, parallel=True)
def _levels_kernel(  # type: ignore[no-untyped-def]
    maps, masks, size, edges, smooth, ranks, cuts, labels, best, iou
):
    n, height, width = maps.shape
    rows, columns = best.shape[1:]
    levels = len(edges) - 1
    for task in numba.prange(n * rows):
        image, row = task // rows, task % rows
        top, bottom = np.uint64(row * size), np.uint64(min((row + 1) * size, height))
        counts = np.empty(4 * (levels + 1), np.uint32)
        for column in range(columns):
            left, right = np.uint64(column * size), np.uint64(min((column + 1) * size, width))
            counts[:] = 0
            for y in range(top, bottom):
                for x in range(left, right):
                    value = maps[image, y, x]
                    rank = _rank(value, edges) if ranks is None else ranks[value & _FLOAT16_MAGNITUDE]
                    # Masks 0, 1 and 255 end in the bits 00, 01 and 11: three interleaved histograms without a branch.
                    counts[(np.uint64(rank) << np.uint64(2)) | np.uint64(masks[image, y, x] & np.uint8(3))] += (
                        np.uint32(1)
                    )
            truth = 0
            for k in range(levels + 1):
                truth += counts[4 * k + 1]
            inside, outside, choice, top_score = 0, 0, levels, -1.0
            for k in range(levels, 0, -1):
                inside += counts[4 * k + 1]
                outside += counts[4 * k]
                score = _score(inside, truth + outside, smooth)
                if score >= top_score:  # from high to low, so that a tie goes to the lower threshold
                    top_score, choice = score, k
            best[image, row, column] = edges[choice]
            iou[image, row, column] = top_score
            cut = cuts[choice]
            for y in range(top, bottom):
                for x in range(left, right):
                    value = maps[image, y, x]
                    above = value > cut if ranks is None else (value & _FLOAT16_MAGNITUDE) > cut
                    labels[image, y, x] = _IGNORE if masks[image, y, x] == _IGNORE else np.uint8(above)


@numba.njit(cache=True, nogil=True, parallel=True)
def _exact_kernel(  # type: ignore[no-untyped-def]
    bits, masks, size, smooth, magnitude, labels, best, iou
):
    n, height, width = bits.shape
    rows, columns = best.shape[1:]
    one = np.uint64(1)
    for task in numba.prange(n * rows):
        image, row = task // rows, task % rows
        top, bottom = np.uint64(row * size), np.uint64(min((row + 1) * size, height))
        keys = np.empty(min(size, height) * min(size, width), np.uint64)  # of one patch: value, then mask
        for column in range(columns):
            left, right = np.uint64(column * size), np.uint64(min((column + 1) * size, width))
            used, truth = 0, 0
            for y in range(top, bottom):
                for x in range(left, right):
                    mask = masks[image, y, x]
                    if mask != _IGNORE:
                        keys[used] = (np.uint64(bits[image, y, x] & magnitude) << one) | np.uint64(mask)
                        truth += mask
                        used += 1
            keys[:used].sort()
            inside, outside, choice, top_score = 0, 0, np.uint64(0), -1.0
            position = used - 1
            while position >= 0:
                value = keys[position] >> one
                score = _score(inside, truth + outside, smooth)
                if score >= top_score:  # from high to low, so that a tie goes to the lower threshold
                    top_score, choice = score, value
                while position >= 0 and keys[position] >> one == value:
                    positive = keys[position] & one
                    inside += positive
                    outside += one - positive
                    position -= 1
            score = _score(inside, truth + outside, smooth)
            if (used == 0 or keys[0] >> one > 0) and score >= top_score:
                top_score, choice = score, np.uint64(0)
            best[image, row, column] = choice
            iou[image, row, column] = top_score
            for y in range(top, bottom):
                for x in range(left, right):
                    above = (bits[image, y, x] & magnitude) > choice
                    labels[image, y, x] = _IGNORE if masks[image, y, x] == _IGNORE else np.uint8(above)
