"""The best this machine does at two plain things, copying and convolving: what our own rates are a fraction of."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.machine import last_level_cache
from benchmarks.timing import measure

#: A copied buffer is this many times the last-level cache, so that nothing of it is still there.
CACHES = 8
SMALLEST_BUFFER, LARGEST_BUFFER = 256 * 2**20, 2**30


def copy_bandwidths(quick: bool) -> dict[str, float]:
    """Bytes read and written a second by the fastest of several copies: numpy (one core), torch and numba (all)."""
    size = 2**22 if quick else min(max(CACHES * last_level_cache(), SMALLEST_BUFFER), LARGEST_BUFFER)
    source = np.ones(size // 8)
    target = np.zeros_like(source)
    from_tensor, to_tensor = torch.from_numpy(source), torch.from_numpy(target)
    copies = {
        "numpy": lambda: np.copyto(target, source),
        "torch": lambda: to_tensor.copy_(from_tensor),
        "numba": lambda: _parallel_copy(source, target),
    }
    seconds, least = (0.0, 2) if quick else (1.0, 5)
    return {name: 2 * source.nbytes / measure(copy, seconds, least).best for name, copy in copies.items()}


@numba.njit(cache=True, parallel=True)
def _parallel_copy(source, target):  # type: ignore[no-untyped-def]
    for i in numba.prange(len(source)):
        target[i] = source[i]


def convolution_peak(dtype: torch.dtype, quick: bool) -> float:
    """Arithmetic operations a second of one 3x3 channels-last convolution, 256 -> 256 channels at 128 x 128."""
    channels, side = (16, 16) if quick else (256, 128)
    maps = torch.randn(1, channels, side, side, dtype=dtype).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(channels, channels, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    seconds, least = (0.0, 1) if quick else (1.5, 3)
    with torch.inference_mode():
        taken = measure(lambda: F.conv2d(maps, weight, padding=1), seconds, least).best
    return 2 * 9 * channels**2 * side**2 / taken
