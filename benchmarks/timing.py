"""Wall-clock time of a function, repeated."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

MOST_REPEATS = 200


@dataclass(frozen=True)
class Timing:
    """Seconds a call: the fastest, and the middle one, of `repeats`."""

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
        function: what is timed; its result is dropped.
        seconds: stop after this long, once there are `least` repeats.
        least: repeats, however long one takes.
        synchronize: waits for work that the function only queued, on a GPU.
    """
    function()
    synchronize()
    taken: list[float] = []
    while len(taken) < least or (sum(taken) < seconds and len(taken) < MOST_REPEATS):
        start = time.perf_counter()
        function()
        synchronize()
        taken.append(time.perf_counter() - start)
    return Timing(min(taken), median(taken), len(taken))
