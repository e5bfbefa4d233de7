"""The number of OpenMP threads, which Numba sets when it first computes, and which PyTorch shares."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def same_number_of_threads() -> Iterator[None]:
    """Leave PyTorch its number of threads, also where it is imported later: with another one it sums in another order.

    PyTorch is not imported for that. Without it, the number is that of GNU's OpenMP, if that is installed.
    """
    if torch := sys.modules.get("torch"):
        threads = torch.get_num_threads()
        yield
        torch.set_num_threads(threads)
        return
    openmp = None
    with suppress(OSError):
        openmp = ctypes.CDLL("libgomp.so.1")
    threads = openmp.omp_get_max_threads() if openmp else 0
    yield
    if openmp:
        openmp.omp_set_num_threads(threads)
