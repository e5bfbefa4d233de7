"""Wall-clock time of single calls of a function.

Not `torch.utils.benchmark`: its timer averages blocks of calls, synchronizes a GPU once per block, and cannot promise a
number of repeats. The published numbers are the fastest and the median single call, of at least so many repeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

MAX_REPEATS = 200


@dataclass(frozen=True)
class Timing:
    """Seconds per call: the fastest and the median of `repeats` calls."""

    best: float
    median: float
    repeats: int


def measure(
    function: Callable[[], Any],
    seconds: float = 1.0,
    least: int = 3,
    synchronize: Callable[[], None] = lambda: None,
) -> Timing:
    """Call once to warm up, then at least `least` times and until `seconds` have passed.

    Args:
        function: called without arguments; its result is dropped.
        seconds: total time after which no further call starts, once there are `least` repeats.
        least: number of repeats, however long one takes.
        synchronize: waits for work that the function queued on a GPU.
    """
    function()
    synchronize()
    taken: list[float] = []
    while len(taken) < least or (sum(taken) < seconds and len(taken) < MAX_REPEATS):
        start = time.perf_counter()
        function()
        synchronize()
        taken.append(time.perf_counter() - start)
    return Timing(min(taken), median(taken), len(taken))
