"""A processor core for each of PyTorch's two threads while a network trains on a machine of two cores."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from prn_pipeline.processes.processor_cores import usable_cores
from prn_pipeline.processes.signals import signals_held_back

#: The library through which PyTorch computes with OpenMP.
LIBRARY = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"

#: Of so many threads, OpenMP replaces none.
THREADS = 2

#: Held while threads have a core each. A second training in this process goes without, and leaves those of the first.
_CORES_ARE_GIVEN = threading.Lock()


@contextmanager
def core_for_each_thread() -> Iterator[None]:
    """Keep both of PyTorch's threads on a core of their own, and let them run where they could before afterwards.

    These threads wait for each other hundreds of times in a step. Beside another process Linux can let both share one
    core, while the other process has a core for itself. On two cores, beside one busy process, an epoch of a small
    U-Net took 7.0 s, and with a core for each thread about 4 s; alone it took 1.9 s (docs/runs.md).

    For two threads alone: OpenMP replaces some of more than two whenever a layer works with fewer of them, and the new
    ones would all start on the core of this thread. Has no effect outside Linux; where there are not as many cores, or
    processors, as threads, because another process may have been given the others; where OpenMP starts one thread
    alone; where a thread has been kept from a core; and in a second training at a time.
    """
    if not sys.platform.startswith("linux") or not _CORES_ARE_GIVEN.acquire(blocking=False):
        yield
        return
    before: dict[int, set[int]] = {}
    others: set[int] = set()
    try:
        with signals_held_back():
            others |= _threads()
            _give_cores(before)
        yield
    finally:
        try:
            with signals_held_back():
                _give_back(before, others)
        finally:
            _CORES_ARE_GIVEN.release()
            _give_back(before, others)  # once more: a signal may have come just before they were held back


def _give_cores(before: dict[int, set[int]]) -> None:
    """Give each thread a core; first note in `before` which processors each of them can use now."""
    cores = _core_for_each(torch.get_num_threads())
    threads = _openmp_threads() if cores else []
    now = {thread: _processors(thread) for thread in threads}
    usable = set().union(*cores)
    if len(threads) == len(cores) and all(processors == usable for processors in now.values()):
        before.update(now)
        for thread, core in zip(threads, cores, strict=True):
            _allow(thread, core)


def _give_back(before: dict[int, set[int]], others: set[int]) -> None:
    """Let threads run where they could before, and so those that have started meanwhile on one of their cores."""
    given = [_processors(thread) for thread in before]
    for thread in _threads() - others - set(before) if before else ():
        if _processors(thread) in given:
            _allow(thread, set().union(*before.values()))
    for thread, processors in before.items():
        _allow(thread, processors)
    before.clear()


def _processors(thread: int) -> set[int]:
    """The processors on which a thread may run; none where it has ended."""
    try:
        return os.sched_getaffinity(thread)
    except ProcessLookupError:
        return set()


def _allow(thread: int, processors: Iterable[int]) -> None:
    """Let a thread run on these processors, if it and they are still there and no sandbox forbids it."""
    with suppress(OSError):
        os.sched_setaffinity(thread, processors)


def _threads() -> set[int]:
    """The threads of this process; none where a sandbox has no /proc."""
    with suppress(OSError):
        return {int(thread) for thread in os.listdir("/proc/self/task")}
    return set()


def _core_for_each(threads: int) -> list[frozenset[int]]:
    """Two cores, or processors, for two threads, if there are no others; first the one that runs this thread."""
    cores = usable_cores()
    processors = [frozenset({processor}) for core in cores for processor in core]
    here = ctypes.CDLL(None).sched_getcpu()
    given = next((each for each in (cores, processors) if len(each) == threads == THREADS), [])
    return sorted(given, key=lambda core: here not in core)


def _openmp_threads() -> list[int]:
    """The threads with which PyTorch computes for this one, which comes first; none where OpenMP is another library."""
    try:
        parallel = ctypes.CDLL(str(LIBRARY)).GOMP_parallel
    except (OSError, AttributeError):  # another platform, or built with another library of threads
        return []
    found: list[int] = []
    note = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: found.append(threading.get_native_id()))
    parallel(note, None, ctypes.c_uint(torch.get_num_threads()), ctypes.c_uint(0))
    return sorted(found, key=lambda thread: thread != threading.get_native_id())
