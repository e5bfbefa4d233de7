"""Freed memory stays in the process if the C library supports it."""

import subprocess
import sys

import pytest

from prn_pipeline.training import allocator
from prn_pipeline.training.allocator import keep_freed_memory

#: Blocks of 24 MB, the size of activations; a neighbour of half that size makes glibc trim the end of the heap.
PROBE = """
import ctypes, resource, runpy, sys
taken = False
if sys.argv[1] == "kept":
    keep_freed_memory = runpy.run_path(sys.argv[2])["keep_freed_memory"]
    taken = keep_freed_memory() and keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def use(sizes=(24_000_000, 30_000_000, 12_000_000)):
    blocks = [ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size))) for size in sizes]
    for block, size in zip(blocks, sizes):
        ctypes.memset(block, 1, size)
    for block in blocks:
        libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> tuple[bool, int]:
    command = [sys.executable, "-c", PROBE, mode, allocator.__file__]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    taken, faults = found.stdout.split()
    return taken == "True", int(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the settings are glibc's")
def test_kept_memory_is_not_faulted_in_again() -> None:
    taken, faults = page_faults("kept")
    if not taken:
        pytest.skip("this C library has no mallopt")
    assert faults * 4 < page_faults("default")[1]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert keep_freed_memory.__wrapped__() is False


def test_a_c_library_without_the_settings_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda name: object())
    assert keep_freed_memory.__wrapped__() is False
