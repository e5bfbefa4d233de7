"""Exact pseudo-labels on the CPU: sort the pixels of a patch and score every distinct probability.

Non-negative floats have the same order as their bits, so the kernel sorts integers: the bits of the probability,
followed by the bit of the mask.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from prn_pipeline.refinement.pseudo_labels.histogram_kernel import (
    IGNORE,
    Found,
    compiled_types,
    empty_results,
    in_range,
    smoothed_iou,
    widen_row,
)

DIGIT = 8  # bits per pass of the radix sort
FEW_PIXELS = 64  # in patches of at most so many pixels insertion sort is faster


def exact(
    probabilities: NDArray[np.floating], masks: NDArray[np.uint8], patch_size: int, smooth: float
) -> Found | None:
    """The best of 0 and all values of a patch, or None if a probability or mask value is out of range.

    The arguments are those of `patch_pseudo_labels`; C-contiguous arrays are not copied.
    """
    labels, thresholds, iou = empty_results(probabilities.shape, patch_size)
    best = thresholds.view(np.uint32)
    valid = _exact_kernel(*compiled_types(probabilities, masks), patch_size, smooth, labels, best, iou)
    return (labels, thresholds, iou) if valid else None


@numba.njit(cache=True, nogil=True)
def _insert(keys):  # type: ignore[no-untyped-def]
    """Insertion sort, in place."""
    for i in range(1, len(keys)):
        key, gap = keys[i], i
        while gap > 0 and keys[gap - 1] > key:
            keys[gap] = keys[gap - 1]
            gap -= 1
        keys[gap] = key
    return keys


@numba.njit(cache=True, nogil=True)
def _sort(keys, spare, counts):  # type: ignore[no-untyped-def]
    """Sorted keys, in `keys` or in `spare`: stable passes from the lowest digit to the highest."""
    if len(keys) <= FEW_PIXELS:
        return _insert(keys)
    for shift in range(0, 32, DIGIT):
        low, last = np.uint32(shift), np.uint32(2**DIGIT - 1)
        counts[:] = 0
        for i in range(len(keys)):
            counts[(keys[i] >> low) & last] += 1
        if counts[(keys[0] >> low) & last] == len(keys):
            continue  # all keys share this digit, such as the lowest one of widened float16
        position = 0
        for digit in range(len(counts)):
            position, counts[digit] = position + counts[digit], position
        for i in range(len(keys)):
            digit = (keys[i] >> low) & last
            spare[counts[digit]] = keys[i]
            counts[digit] += 1
        keys, spare = spare, keys
    return keys


@numba.njit(cache=True, nogil=True)
def _best_value(keys, truth, smooth):  # type: ignore[no-untyped-def]
    """Bits and score of the best threshold for sorted keys, searched from high to low, so that ties go to the lower."""
    inside, outside, choice, top = 0, 0, np.uint32(0), -1.0
    position = len(keys) - 1
    while position >= 0:
        value = keys[position] >> np.uint32(1)
        score = smoothed_iou(inside, truth + outside, smooth)
        if score >= top:
            top, choice = score, value
        while position >= 0 and keys[position] >> np.uint32(1) == value:
            positive = np.int64(keys[position] & np.uint32(1))
            inside += positive
            outside += 1 - positive
            position -= 1
    if len(keys) == 0 or keys[0] >> np.uint32(1) > 0:  # 0 is always a candidate, also if no pixel has it
        score = smoothed_iou(inside, truth + outside, smooth)
        if score >= top:
            top, choice = score, np.uint32(0)
    return choice, top


@numba.njit(cache=True, nogil=True, parallel=True)
def _exact_kernel(  # type: ignore[no-untyped-def]
    maps, masks, half, size, smooth, labels, best, iou
):
    """Fill labels, best (bits of float32) and iou; False if a value was out of range, which makes them invalid."""
    n, height, width = maps.shape
    rows, columns = best.shape[1:]
    valid = np.ones(n * rows, np.bool_)
    for task in numba.prange(n * rows):
        image, top = task // rows, (task % rows) * size
        bottom = min(top + size, height)
        single = np.empty((bottom - top, width), np.float32)
        keys = np.empty((bottom - top) * min(size, width), np.uint32)
        spare, counts = np.empty_like(keys), np.empty(2**DIGIT, np.int64)
        for y in range(top, bottom):
            if half is not None:
                widen_row(maps[image, y], single[y - top])
            else:
                single[y - top] = maps[image, y]
            for x in range(width):
                valid[task] &= in_range(single[y - top, x], masks[image, y, x])
        if not valid[task]:
            continue
        bits = single.view(np.uint32)
        for column in range(columns):
            left, right = column * size, min((column + 1) * size, width)
            used, truth = 0, 0
            for y in range(bottom - top):
                for x in range(left, right):
                    mask = masks[image, top + y, x]
                    bits[y, x] &= np.uint32(0x7FFFFFFF)  # -0.0 counts as 0.0
                    keys[used] = (bits[y, x] << np.uint32(1)) | np.uint32(mask & np.uint8(1))
                    truth += mask == 1
                    used += mask != IGNORE
            choice, score = _best_value(_sort(keys[:used], spare[:used], counts), truth, smooth)
            best[image, task % rows, column] = choice
            iou[image, task % rows, column] = score
            for y in range(bottom - top):
                for x in range(left, right):
                    above = np.uint8(bits[y, x] > choice)
                    labels[image, top + y, x] = IGNORE if masks[image, top + y, x] == IGNORE else above
    return valid.all()
