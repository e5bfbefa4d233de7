"""A processor core for each of PyTorch's threads while a network trains."""

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

#: Held while threads have a core each. A second training in this process goes without, and leaves those of the first.
_CORES_ARE_GIVEN = threading.Lock()


@contextmanager
def core_for_each_thread() -> Iterator[None]:
    """Keep each of PyTorch's threads on a core of its own, and let them run where they could before afterwards.

    These threads wait for each other hundreds of times in a step. Beside another process Linux can let two of them
    share one core, while the other process has a core for itself. On two cores, beside one busy process, an epoch of a
    small U-Net took 7.0 s, and with a core for each thread about 4 s; alone it took 1.9 s (docs/runs.md).

    Has no effect outside Linux; where PyTorch has not as many threads as there are cores, or as there are processors,
    because another process may have been given the others; where OpenMP starts fewer threads than PyTorch asks for;
    where a thread has been kept from some of the cores; and in a second training at a time.
    """
    if not sys.platform.startswith("linux") or not _CORES_ARE_GIVEN.acquire(blocking=False):
        yield
        return
    others = _threads()
    before: dict[int, set[int]] = {}  # filled at once, so that an error or a signal finds all that there is to undo
    try:
        with signals_held_back():
            before.update(_give_cores())
        yield
    finally:
        with signals_held_back():
            _give_back(before, _threads() - others)
            _CORES_ARE_GIVEN.release()


def _give_cores() -> dict[int, set[int]]:
    """Give each of PyTorch's threads a core; returns the processors that each of these threads could use before."""
    cores = _core_for_each(torch.get_num_threads())
    threads = _openmp_threads() if len(cores) > 1 else []
    before = {thread: _processors(thread) for thread in threads}
    usable = set().union(*cores)
    if len(threads) != len(cores) or any(processors != usable for processors in before.values()):
        return {}
    for thread, core in zip(threads, cores, strict=True):
        _allow(thread, core)
    return before


def _give_back(before: dict[int, set[int]], started: set[int]) -> None:
    """Let threads run where they could before, and so those that have started meanwhile on one of these cores."""
    if not before:
        return
    given = [_processors(thread) for thread in before]
    for thread in started - set(before):
        if _processors(thread) in given:
            _allow(thread, set().union(*before.values()))
    for thread, processors in before.items():
        _allow(thread, processors)


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
    return {int(thread) for thread in os.listdir("/proc/self/task")}


def _core_for_each(threads: int) -> list[frozenset[int]]:
    """As many cores, or processors, as there are threads, if there are; first the one that runs this thread."""
    cores = usable_cores()
    processors = [frozenset({processor}) for core in cores for processor in core]
    here = ctypes.CDLL(None).sched_getcpu()
    given = next((each for each in (cores, processors) if len(each) == threads), [])
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
