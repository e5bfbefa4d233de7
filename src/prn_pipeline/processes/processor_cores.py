"""The processor cores that Linux lets this process use."""

from __future__ import annotations

import os
from pathlib import Path

#: Where Linux describes its processors.
PROCESSORS = Path("/sys/devices/system/cpu")


def usable_cores() -> list[frozenset[int]]:
    """The processors of each core, of those that this thread may use; two where a core runs two threads at a time.

    Each processor counts as a core where Linux does not say which ones share a core, as in some sandboxes.
    """
    usable = os.sched_getaffinity(0)
    return sorted({frozenset(usable & (_sharing(processor) | {processor})) for processor in usable}, key=min)


def _sharing(processor: int) -> set[int]:
    """The processors of one core, from a list such as `0-1,8`; none where it cannot be read."""
    try:
        spans = (PROCESSORS / f"cpu{processor}/topology/thread_siblings_list").read_text().strip().split(",")
        ends = [[int(end) for end in span.split("-")] for span in spans]
    except (OSError, ValueError):
        return set()
    return {number for span in ends for number in range(span[0], span[-1] + 1)}
