"""Stages share the hash of a file that they all depend on, as long as nothing changes it."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dvc.output import Output
from dvc.repo import Repo

from prn_pipeline.sweep.shared_hashes import hashed_once

STAGES = """
stages:
  one: {cmd: echo 1 > a, deps: [code, settings.txt], outs: [a]}
  two: {cmd: echo 2 > b, deps: [code, a], outs: [b]}
"""


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "part.py").write_text("1")
    (tmp_path / "settings.txt").write_text("1")
    (tmp_path / "dvc.yaml").write_text(STAGES)
    made = Repo.init(str(tmp_path), no_scm=True)
    made.reproduce()
    return made


def test_a_path_is_looked_at_once_and_its_state_is_the_same(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, original = Counter[str](), Output.get_hash

    def get_hash(output: Output) -> Any:
        looked[Path(output.fs_path).name] += 1
        return original(output)

    monkeypatch.setattr(Output, "get_hash", get_hash)
    for change, stale in (("1", set()), ("2", {"one", "two"})):
        Path("code/part.py").write_text(change)
        looked.clear()
        expected = repo.status()
        assert looked["code"] == 2
        looked.clear()
        with hashed_once():
            assert repo.status() == expected
        assert looked["code"] == 1
        assert set(expected) == stale


def test_the_next_block_sees_what_has_changed(repo: Repo) -> None:
    with hashed_once():
        assert repo.status() == {}
    Path("settings.txt").write_text("2")
    with hashed_once():
        assert set(repo.status()) == {"one"}
    assert set(repo.status()) == {"one"}
