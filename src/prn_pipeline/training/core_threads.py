"""A processor core for each of PyTorch's threads while a network trains."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

#: The library through which PyTorch computes with OpenMP.
LIBRARY = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"


@contextmanager
def core_for_each_thread() -> Iterator[None]:
    """Keep each of PyTorch's threads on a core of its own, and let them run anywhere again afterwards.

    These threads wait for each other hundreds of times in a step. Beside another process Linux can let two of them
    share one core, while the other process has a core for itself. On two cores, beside one busy process, an epoch of a
    small U-Net took 7.0 s, and with a core for each thread about 4 s; alone it took 1.9 s (docs/runs.md).

    Has no effect outside Linux, where OpenMP starts fewer threads than PyTorch asks for, and where PyTorch has one
    thread, or fewer than there are cores: then another process may have been given the others.
    """
    cores = _cores_from_this() if sys.platform.startswith("linux") else []
    on_every_thread = _openmp() if 1 < len(cores) == torch.get_num_threads() else None
    if on_every_thread is None:
        yield
        return
    kept: list[int] = []

    def keep(number: int) -> None:
        kept.append(number)
        _allow(0, {cores[number]})

    try:
        on_every_thread(keep)
        if len(kept) < len(cores):  # a thread that OpenMP starts later would inherit the core of this one
            _release(cores)
        yield
    finally:
        _release(cores)


def _release(cores: Iterable[int]) -> None:
    """Let threads that have one core run on all; those that were started meanwhile have inherited theirs."""
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):
            if len(os.sched_getaffinity(int(thread))) == 1:
                _allow(int(thread), cores)


def _allow(thread: int, cores: Iterable[int]) -> None:
    """Let a thread (0: this one) run on these cores, where a sandbox does not forbid it and they are still there."""
    with suppress(OSError):
        os.sched_setaffinity(thread, cores)


def _cores_from_this() -> list[int]:
    """The cores that this process may use; first the one that runs this thread, on which Linux has put it."""
    usable = os.sched_getaffinity(0)
    here = ctypes.CDLL(None).sched_getcpu()
    return sorted(usable, key=lambda core: (core != here, core))


def _openmp() -> Callable[[Callable[[int], None]], None] | None:
    """A function that calls another on each of PyTorch's threads, with the thread's number; None if OpenMP has none."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        parallel, number = library.GOMP_parallel, library.omp_get_thread_num
    except (OSError, AttributeError):  # another platform, or built with another library of threads
        return None
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

    def on_every_thread(function: Callable[[int], None]) -> None:
        parallel(kind(lambda _: function(number())), None, ctypes.c_uint(torch.get_num_threads()), ctypes.c_uint(0))

    return on_every_thread
