"""How the C library keeps the memory that tensors give back."""

from __future__ import annotations

import ctypes
import functools
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # names and numbers of glibc's malloc.h
NEVER_TRIM = 2**31 - 1
GROW_BY = 2**28


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensor instead of handing it back to the kernel.

    By default glibc maps every block above 32 MiB anew and unmaps it after use, and trims free memory at the end of
    its heap; the kernel then zeroes those pages again. Activations of a batch at 512 px are of that size.

    The price: a process stays as large as its peak until it ends. A training of width 16 at 256 px peaked at 1.7 GB
    with and without; afterwards 1.7 GB stayed resident instead of 1.4, and later arrays were made from it. `GROW_BY`
    costs address space, not memory: pages nobody touched are not there.

    It holds for the rest of the process. Only Linux with glibc has these settings; elsewhere nothing happens. A second
    call does nothing.

    Returns:
        Whether the settings were taken.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, "gnu_get_libc_version") and hasattr(libc, "mallopt")):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER_TRIM), (M_TOP_PAD, GROW_BY))
    taken = [libc.mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings]
    return all(taken)
