"""Which dvc and kedro a scheduler's bare path leads to."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from prn_pipeline.sweep.environment import tool_environment

TOOLS = Path(sys.executable).parent


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with a `dvc` of somebody else."""
    other = tmp_path / "dvc"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    return tmp_path


def test_our_tools_are_found_before_those_of_the_system(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{elsewhere}{os.pathsep}/usr/bin")
    assert shutil.which("dvc", path=tool_environment()["PATH"]) == str(TOOLS / "dvc")


def test_an_activated_environment_keeps_its_order(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{elsewhere}{os.pathsep}{TOOLS}"
    monkeypatch.setenv("PATH", path)
    assert tool_environment()["PATH"] == path


def test_no_path_at_all_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert shutil.which("kedro", path=tool_environment()["PATH"]) == str(TOOLS / "kedro")
