"""Histograms for the tuned threshold on the CPU: one pass over the pixels, compiled by numba."""

from __future__ import annotations

import numba
import numpy as np

from prn_pipeline.data.sample_format import IGNORE

_IGNORE = np.uint8(IGNORE)


@numba.njit(cache=True, nogil=True)
def count_ranks(maps, masks, thresholds, counts):  # type: ignore[no-untyped-def]
    """Count each pixel in the histogram of its mask value, in the bin given by the number of thresholds below it.

    Args:
        maps: float32 (pixels,) in [0, 1].
        masks: uint8 (pixels,): 0, 1, or 255, which is ignored.
        thresholds: float32 (bins,): k / bins for k = 0 .. bins - 1, each rounded to float32.
        counts: int64 (2, bins + 1), changed in place.
    """
    bins = len(thresholds)
    for pixel in range(len(maps)):
        mask = masks[pixel]
        if mask == _IGNORE:
            continue
        value = maps[pixel]
        # The product is exact in float64 and rounding is monotone, so threshold `last` is at most `value` and the next
        # one at least `value`: only equality remains to be checked.
        last = min(int(np.float64(value) * bins), bins - 1)
        counts[mask, last + 1 - int(thresholds[last] >= value)] += 1
