"""Subprocesses find the dvc and kedro of this installation."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from prn_pipeline.sweep.environment import tool_environment

TOOLS = Path(sys.executable).parent


@pytest.fixture
def other_dvc(tmp_path: Path) -> Path:
    """A folder with another `dvc`."""
    other = tmp_path / "dvc"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    return tmp_path


def test_tools_of_this_installation_come_before_those_of_the_system(
    other_dvc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{other_dvc}{os.pathsep}/usr/bin")
    assert shutil.which("dvc", path=tool_environment()["PATH"]) == str(TOOLS / "dvc")


def test_an_activated_environment_keeps_its_order(other_dvc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{other_dvc}{os.pathsep}{TOOLS}"
    monkeypatch.setenv("PATH", path)
    assert tool_environment()["PATH"] == path


def test_the_tools_are_found_without_a_path_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    assert shutil.which("kedro", path=tool_environment()["PATH"]) == str(TOOLS / "kedro")
