"""Stale stages of a small project of DVC."""

from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.repo.index import Index

from prn_pipeline.sweep.staleness import stale_stages

DVC_YAML = """
stages:
  first: {cmd: cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}
  second: {cmd: cp b.txt c.txt, deps: [b.txt], outs: [c.txt]}
  alone: {cmd: cp a.txt d.txt, deps: [a.txt], outs: [d.txt]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    return tmp_path


def test_a_stage_that_follows_a_stale_one_is_stale_for_no_reason_of_its_own(project: Path) -> None:
    found = stale_stages(project)
    assert set(found) == {"first", "second", "alone"}
    assert found["second"] == ""
    assert "" not in (found["first"], found["alone"])


def test_the_project_is_read_once_for_all_questions(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with hundreds of stages takes seconds to read."""
    read: list[Repo] = []
    from_repo = Index.from_repo

    def counted(repo: Repo, *arguments: object, **options: object) -> Index:
        read.append(repo)
        return from_repo(repo, *arguments, **options)

    monkeypatch.setattr(Index, "from_repo", counted)
    stale_stages(project)
    assert len(read) == 1
