"""Whether other processes kept this one from the processors while something was timed."""

from __future__ import annotations

import os
import time
from pathlib import Path

#: Waiting for a processor, as a share of the time that was measured, from which on a measurement is under load.
MAX_WAITING = 0.05
_THREADS = Path("/proc/self/task")


def waiting_seconds() -> float | None:
    """Seconds that the threads of this process have waited for a processor so far; None where the system hides it.

    Linux counts it for each thread, in nanoseconds, in the second number of its `schedstat`.
    """
    waited = 0
    try:
        for thread in _THREADS.iterdir():
            waited += int((thread / "schedstat").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return waited / 1e9


class LoadMeter:
    """Tells whether what ran since it was made was slowed down by other processes."""

    def __init__(self) -> None:
        self._started, self._waited = time.perf_counter(), waiting_seconds()

    def under_load(self) -> bool:
        """Whether threads waited longer than `MAX_WAITING` of the time since then.

        Where the system does not count it: whether more processes want to run than there are processors.
        """
        seconds, waited = time.perf_counter() - self._started, waiting_seconds()
        if waited is None or self._waited is None:
            return hasattr(os, "getloadavg") and os.getloadavg()[0] > 1 + (os.cpu_count() or 1)
        return waited - self._waited > MAX_WAITING * seconds
