"""Pseudo-labels on the CPU: one pass over the pixels and one histogram per patch, compiled by numba.

The kernel works on one strip of patches at a time. Each pixel becomes a small integer, its *code*: the number of
candidate thresholds below its probability, and its mask. The kernel counts the codes of each patch, scores all
thresholds at once with suffix sums of the counts, and derives the labels from the codes. The loops over pixels run
along whole rows, so that the compiler vectorises them; only the counting is sequential.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data import sample_format
from prn_pipeline.refinement.pseudo_labels.openmp_threads import same_number_of_threads

Found = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]

IGNORE = np.uint8(sample_format.IGNORE)  # a constant of the compiled code
HALF_TO_SINGLE = np.float32(2.0**112)  # difference of the exponent biases
MANY_PIXELS = 1024  # in patches of at least so many pixels four interleaved histograms are faster than one


def on_levels(
    probabilities: NDArray[np.floating],
    masks: NDArray[np.uint8],
    patch_size: int,
    thresholds: NDArray[np.float32],
    smooth: float,
) -> Found | None:
    """The best of `candidate_thresholds(levels)` for each patch, or None if a probability or mask is out of range.

    The arguments are those of `patch_pseudo_labels`; C-contiguous arrays are not copied.
    """
    found = empty_results(probabilities.shape, patch_size)
    edges = np.concatenate([np.full(1, -1, np.float32), thresholds])  # threshold number k is edges[k]
    with same_number_of_threads():
        valid = _levels_kernel(*compiled_types(probabilities, masks), patch_size, edges, smooth, *found)
    return found if valid else None


def compiled_types(
    probabilities: NDArray[np.floating], masks: NDArray[np.uint8]
) -> tuple[NDArray[np.generic], NDArray[np.uint8], bool | None]:
    """Maps (float16 as their bits), masks, and True for float16, else None: numba removes the branch of an `is None`.

    The arrays are read-only views, because numba would compile a second version for writable arrays.
    """
    half = True if probabilities.dtype == np.float16 else None
    maps, truth = np.ascontiguousarray(probabilities).view(), np.ascontiguousarray(masks).view()
    maps.flags.writeable = truth.flags.writeable = False
    return maps.view(np.uint16) if half else maps, truth, half


def empty_results(shape: tuple[int, ...], patch_size: int) -> Found:
    """Uninitialised arrays for labels, thresholds and IoU."""
    n, height, width = shape
    grid = (n, -(-height // patch_size), -(-width // patch_size))
    return np.empty(shape, np.uint8), np.empty(grid, np.float32), np.empty(grid, np.float32)


@numba.njit(cache=True, nogil=True)
def smoothed_iou(intersection, union, smooth):  # type: ignore[no-untyped-def]
    """The score of a threshold; 1 if the union is empty and `smooth` is 0."""
    return (intersection + smooth) / (union + smooth) if union + smooth > 0 else 1.0


@numba.njit(cache=True, nogil=True)
def in_range(probability, mask):  # type: ignore[no-untyped-def]
    """Whether both values are allowed; false for NaN."""
    return (probability >= 0) & (probability <= 1) & ((mask <= 1) | (mask == IGNORE))


@numba.njit(cache=True, nogil=True)
def widen_row(bits, row):  # type: ignore[no-untyped-def]
    """Float16 bits of a row as float32, exactly; infinities and NaN become numbers above 1."""
    shifted = row.view(np.int32)
    for x in range(len(bits)):
        shifted[x] = np.int32((np.int32(bits[x] & np.uint16(0x7FFF)) << 13) | (np.int32(bits[x] >> 15) << 31))
    for x in range(len(row)):
        row[x] *= HALF_TO_SINGLE


@numba.njit(cache=True, nogil=True)
def _encode_row(probabilities, masks, levels, codes):  # type: ignore[no-untyped-def]
    """Codes of a row: four times the number of thresholds k / levels below the probability, plus the mask's two bits.

    Masks 0, 1 and 255 end in the bits 00, 01 and 11. In single precision the error of the product with `levels` is less
    than `margin`, so its integer part is the number of thresholds unless it is that close to an integer. (The last
    threshold is 1, which no probability exceeds: products above the last but one are clipped to the middle.)
    """
    scale, highest = np.float32(levels), np.float32(levels - 0.5)
    margin = np.float32(levels * 2.0**-22)
    valid, close = True, False
    for x in range(len(codes)):
        value, mask = probabilities[x], masks[x]
        scaled = min(value * scale, highest)
        rank = np.int32(scaled)
        rest = scaled - np.float32(rank)
        close |= ((rest < margin) & (scaled >= np.float32(1))) | (rest > np.float32(1) - margin)
        codes[x] = np.uint16((rank << 2) | (mask & 3))
        valid &= in_range(value, mask)
    if close & valid:
        _encode_row_exactly(probabilities, masks, levels, codes)
    return valid


@numba.njit(cache=True, nogil=True)
def _encode_row_exactly(probabilities, masks, levels, codes):  # type: ignore[no-untyped-def]
    """As `_encode_row`, but exact, at 1.5 times the cost.

    The product with `levels` is exact in float64 and rounding to float32 is monotone, so threshold number `guess` is at
    most the probability and the next one at least: only equality remains to be checked. (Number 0 is no threshold,
    hence the last term for a probability of 0.)
    """
    step = 1.0 / levels
    for x in range(len(codes)):
        value = probabilities[x]
        guess = np.int32(np.float64(value) * levels)
        rank = guess - np.int32(np.float32(guess * step) >= value) + np.int32(value <= 0)
        codes[x] = np.uint16((rank << 2) | (masks[x] & 3))


@numba.njit(cache=True, nogil=True)
def _count(codes, left, right, counts):  # type: ignore[no-untyped-def]
    """Histogram of the codes between two columns, written to counts[0].

    Neighbours often share a code, and an increment must wait for the previous one of the same entry: alternating
    between four histograms avoids that. Unsigned indices avoid a check for negative ones.
    """
    counts[:] = 0
    lanes = counts.shape[0]
    a, b, c, d = counts[0], counts[1 % lanes], counts[2 % lanes], counts[3 % lanes]
    one, first, end = np.uint32(1), np.uint64(left), np.uint64(right)
    quads = first + ((end - first) & ~np.uint64(3))
    for y in range(np.uint64(codes.shape[0])):
        for x in range(first, quads, np.uint64(4)):
            a[np.uint64(codes[y, x])] += one
            b[np.uint64(codes[y, x + np.uint64(1)])] += one
            c[np.uint64(codes[y, x + np.uint64(2)])] += one
            d[np.uint64(codes[y, x + np.uint64(3)])] += one
        for x in range(quads, end):
            a[np.uint64(codes[y, x])] += one
    for lane in range(1, lanes):
        for code in range(counts.shape[1]):
            a[code] += counts[lane, code]


@numba.njit(cache=True, nogil=True)
def _best_level(counts, levels, smooth):  # type: ignore[no-untyped-def]
    """Number and score of the best threshold, searched from high to low, so that ties go to the lower one."""
    truth = 0
    for k in range(levels + 1):
        truth += counts[4 * k + 1]
    inside, outside, choice = 0, 0, levels
    top, leads = smoothed_iou(0, truth, smooth), True
    for k in range(levels, 0, -1):
        if counts[4 * k] or counts[4 * k + 1]:
            inside += counts[4 * k + 1]
            outside += counts[4 * k]
            score = smoothed_iou(inside, truth + outside, smooth)
            leads = score >= top
            top = max(top, score)
        if leads:  # thresholds without a pixel between them tie
            choice = k
    return choice, top


@numba.njit(cache=True, nogil=True, parallel=True)
def _levels_kernel(  # type: ignore[no-untyped-def]
    maps, masks, half, size, edges, smooth, labels, best, iou
):
    """Fill labels, best and iou; False if a value was out of range, which makes them invalid."""
    n, height, width = maps.shape
    rows, columns = best.shape[1:]
    levels = len(edges) - 1
    lanes = 4 if size * size >= MANY_PIXELS else 1
    valid = np.ones(n * rows, np.bool_)
    for task in numba.prange(n * rows):
        image, top = task // rows, (task % rows) * size
        bottom = min(top + size, height)
        codes, cuts = np.empty((bottom - top, width), np.uint16), np.empty(width, np.uint16)
        counts = np.empty((lanes, 4 * (levels + 1)), np.uint32)
        single = np.empty(width, np.float32)
        for y in range(top, bottom):
            if half is not None:
                widen_row(maps[image, y], single)
                valid[task] &= _encode_row(single, masks[image, y], levels, codes[y - top])
            else:
                valid[task] &= _encode_row(maps[image, y], masks[image, y], levels, codes[y - top])
        if not valid[task]:
            continue  # codes of values out of range are no valid index
        for column in range(columns):
            left, right = column * size, min((column + 1) * size, width)
            _count(codes, left, right, counts)
            choice, score = _best_level(counts[0], levels, smooth)
            best[image, task % rows, column] = edges[choice]
            iou[image, task % rows, column] = score
            cuts[left:right] = 4 * choice
        for y in range(top, bottom):
            for x in range(width):
                code = codes[y - top, x]
                labels[image, y, x] = IGNORE if code & np.uint16(3) == np.uint16(3) else np.uint8(code >= cuts[x])
    return valid.all()
