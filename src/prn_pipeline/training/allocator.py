"""Settings of glibc's allocator that keep freed tensor memory in the process."""

from __future__ import annotations

import ctypes
import functools
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # names and numbers of glibc's malloc.h
LARGEST_MMAP_THRESHOLD = 32 * 2**20
NEVER_TRIM = 2**31 - 1
GROW_BY = 2**26


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensor instead of handing it back to the kernel.

    By default glibc returns free memory at the end of its heap to the kernel, which zeroes the pages again for the next
    operation. Activations at 512 px are tens of MB each; without trimming, folded inference takes a tenth less time.
    Blocks above 32 MiB are still mapped and unmapped one by one. Taking those from the heap too was no faster, and
    small tensors that outlive their neighbours would leave holes too small for a large block.

    The cost: a process stays about as large as its peak until it ends. `GROW_BY` costs address space and no memory,
    because the kernel provides a page only when the process touches it.

    The settings hold for the rest of the process; a second call does nothing. Only Linux with glibc has them: on other
    systems the function has no effect.

    Returns:
        Whether the C library accepted the settings.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, "gnu_get_libc_version") and hasattr(libc, "mallopt")):
        return False
    settings = ((M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD), (M_TRIM_THRESHOLD, NEVER_TRIM), (M_TOP_PAD, GROW_BY))
    accepted = [libc.mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings]
    return all(accepted)
