"""What a process takes is measured in a process of its own."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.start_up import _started


def test_memory_is_that_of_the_command_and_not_of_the_process_that_measures_it(tmp_path: Path) -> None:
    held = bytearray(os.urandom(1)) * (200 * 2**20)
    small = _started([sys.executable, "-IS", "-c", "pass"], tmp_path, dict(os.environ), 0)
    large = _started([sys.executable, "-IS", "-c", "b'x' * (100 * 2 ** 20)"], tmp_path, dict(os.environ), 0)
    assert len(held) > small.mib
    assert small.mib < 50
    assert small.mib + 90 < large.mib < small.mib + 120
    assert 0 < small.cpu <= small.seconds + 0.1


def test_another_exit_code_than_the_expected_one_stops_with_the_output(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"ended with 3, not 0: (?s:.*)no such thing"):
        _started(
            [sys.executable, "-IS", "-c", "print('no such thing'); raise SystemExit(3)"], tmp_path, dict(os.environ), 0
        )
