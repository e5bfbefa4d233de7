"""Committed runs are found by name or by the path of their scores."""

import subprocess
from pathlib import Path

import pytest

from prn_pipeline.sweep.committed_results import (
    COMMITTED_LOCK,
    RESULTS,
    UnknownRunError,
    changed_since_lock,
    committed_runs,
    find_run,
)

RUN = "drive/unet/prn/seed-1"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (RUN, "drive/unet/bias_field/seed-0", f"h200/{RUN}"):
        file = tmp_path / RESULTS / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    (tmp_path / RESULTS / "ablation.json").write_text("{}")
    return tmp_path


def test_every_scores_file_is_a_run_and_other_files_are_not(project: Path) -> None:
    assert list(committed_runs(project)) == ["drive/unet/bias_field/seed-0", RUN, f"h200/{RUN}"]


def test_a_run_is_found_by_name_and_by_path(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project / RESULTS / f"{RUN}.json"
    monkeypatch.chdir(project)
    for text in (RUN, f"{RUN}.json", str(file), f"{RESULTS}/{RUN}.json"):
        assert find_run(text, project).scores == file
    assert find_run(RUN, project).names == {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 1}
    assert find_run(f"h200/{RUN}", project).names == find_run(RUN, project).names


def test_an_unknown_run_is_refused_with_the_closest_one(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownRunError, match=f"no committed run 'drive/unet/prm/seed-1'; did you mean {RUN}"):
        find_run("drive/unet/prm/seed-1", project)
    with pytest.raises(UnknownRunError, match="has no scores"):
        find_run(RUN, tmp_path / "empty")


def test_changed_code_is_listed_since_the_commit_of_the_lock(project: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=project, check=True)

    for file in ("src/training/loop.py", "src/training/tiling.py", "src/other.py"):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text("before")
    assert changed_since_lock("src/training", project) == (), "no git"
    (project / COMMITTED_LOCK).write_text("stages: {}")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "lock")
    (project / "src/other.py").write_text("after")
    git("commit", "-qam", "other code")
    (project / "src/training/loop.py").write_text("after")
    assert changed_since_lock("src/training", project) == ("src/training/loop.py",)
