"""A damaged dvc.lock is refused with what to do about it."""

import json
import os
from pathlib import Path

import pytest
from dvc.repo import Repo

from prn_pipeline.errors import UserError
from prn_pipeline.sweep.dvc_lock import read_lock
from prn_pipeline.sweep.staleness import stale_stages

INTACT = "schema: '2.0'\nstages:\n  ingestion:\n    cmd: echo 1\n"
DAMAGED = {
    "half": INTACT[:40].encode(),
    "empty": b"",
    "no text": INTACT.encode().replace(b"echo", b"ec\xe8o"),
    "a list": b"[1]",
    "stages in a list": b"schema: '2.0'\nstages: [1]\n",
    "another version": INTACT.replace("2.0", "9.0").encode(),
    "a folder": None,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "code.py").touch()
    (tmp_path / "dvc.yaml").write_text("stages:\n  ingestion:\n    cmd: echo 1\n    deps: [code.py]\n")
    (tmp_path / "dvc.lock").write_text(INTACT)
    return tmp_path


def test_an_intact_lock_is_read(project: Path) -> None:
    assert read_lock(project / "dvc.lock") == {"ingestion": {"cmd": "echo 1"}}
    assert list(stale_stages(project)) == ["ingestion"]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_lock_names_the_remedy_which_repairs_it(project: Path, damage: str) -> None:
    lock, content = project / "dvc.lock", DAMAGED[damage]
    lock.unlink()
    if content is None:
        lock.mkdir()
    else:
        lock.write_bytes(content)
    with pytest.raises(
        UserError, match=r"DVC cannot read .*git checkout dvc.lock`, or delete dvc.lock: `prn benchmark"
    ):
        stale_stages(project)
    lock.rmdir() if lock.is_dir() else lock.unlink()
    assert list(stale_stages(project)) == ["ingestion"]


def test_another_error_of_dvc_does_not_blame_the_lock(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages:\n  ingestion:\n    cmd: echo 1\n    deps: [dvc.yaml]\n")
    with pytest.raises(UserError, match=r"DVC cannot read .*cannot be a dependency") as caught:
        stale_stages(project)
    assert "git checkout" not in str(caught.value)


def test_a_stage_that_is_running_is_named(project: Path) -> None:
    (project / "dvc.lock").unlink()
    (project / "dvc.yaml").write_text("stages:\n  ingestion:\n    cmd: echo 1\n    outs: [data]\n")
    lock, path = project / ".dvc/tmp/rwlock", str(project / "data")
    lock.write_text(json.dumps({"write": {path: {"pid": os.getpid(), "cmd": "dvc repro"}}, "read": {}}))
    with pytest.raises(UserError, match=rf"a stage is running there \(process {os.getpid()}\): try again when it"):
        stale_stages(project)
    lock.unlink()
    assert list(stale_stages(project)) == ["ingestion"]


def test_a_project_without_git_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    with pytest.raises(UserError, match=r"not a git repository. Run `git init` there, or .*no_scm true"):
        stale_stages(tmp_path)
