"""A copy of the project's settings in which `prn init` may write."""

import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def enter_own_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an environment of its own, which becomes the working folder; its data sets: tmp_path/data."""
    made = tmp_path / "project"
    shutil.copytree(PROJECT / "conf/base", made / "conf/base")
    shutil.copy(PROJECT / "pyproject.toml", made)
    (made / "src").symlink_to(PROJECT / "src")
    monkeypatch.chdir(made)
    monkeypatch.setenv("PRN_DATA_ROOT", str(tmp_path / "data"))
    return made
