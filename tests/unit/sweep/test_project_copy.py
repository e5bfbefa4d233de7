"""The copy of a project in which a committed run is made again."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import BENCHMARK_LISTS
from prn_pipeline.sweep.project_copy import project_copy

NAMES = {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 0}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with code, results, ignored files and raw data."""
    folder = tmp_path / "project"
    files = {
        ".gitignore": "data/**\n*.db\n",
        ".dvc/config": "",
        "src/code.py": "committed",
        "conf/base/benchmark.yml": "datasets: [other]",
        "conf/base/parameters_datasets.yml": "datasets: {drive: {folder: retina}}",
        "metrics/drive/unet/prn/seed-0.json": "{}",
        "dvc.lock": "stages: {}",
        "mlflow.db": "",
        "data/06_models/drive/base.json": "",
        "removed.py": "",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    (folder / "src/code.py").write_text("edited")
    (folder / "src/new.py").write_text("untracked")
    (folder / "removed.py").unlink()
    return folder


def listing(folder: Path) -> set[str]:
    return {str(Path(root, name).relative_to(folder)) for root, _, names in os.walk(folder) for name in names}


def test_a_copy_has_code_as_it_is_now_and_no_results(project: Path) -> None:
    with project_copy(project, NAMES, None, keep=False) as copy:
        assert listing(copy) == {
            ".gitignore",
            ".dvc/config",
            ".dvc/config.local",
            "conf/base/benchmark.yml",
            "conf/base/parameters_datasets.yml",
            "src/code.py",
            "src/new.py",
        }
        assert (copy / "src/code.py").read_text() == "edited"
        lists = yaml.safe_load((copy / BENCHMARK_LISTS).read_text())
        assert lists == {"datasets": ["drive"], "base_models": ["unet"], "refiners": ["prn"], "seeds": [0]}
    assert not copy.exists()
    assert (project / BENCHMARK_LISTS).read_text() == "datasets: [other]"


def test_a_copy_links_the_raw_data_of_the_project_or_of_the_users_folder(project: Path, tmp_path: Path) -> None:
    (tmp_path / "mine/retina").mkdir(parents=True)
    with project_copy(project, NAMES, tmp_path / "mine", keep=False) as copy:
        assert (copy / "data/01_raw/drive").resolve() == tmp_path / "mine/retina"
    (project / "data/01_raw/drive").mkdir(parents=True)
    with project_copy(project, NAMES, tmp_path / "mine", keep=False) as copy:
        assert (copy / "data/01_raw/drive").resolve() == project / "data/01_raw/drive"
    assert (project / "data/01_raw/drive").is_dir(), "removing a copy does not remove what it links to"


def test_a_copy_is_removed_after_an_error_and_kept_on_request(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), project_copy(project, NAMES, None, keep=False) as copy:
        raise ZeroDivisionError
    assert not copy.exists()
    with project_copy(project, NAMES, None, keep=True) as copy:
        pass
    assert copy.is_dir()


def test_a_project_without_git_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="use a clone of the repository"),
        project_copy(tmp_path, NAMES, None, keep=False),
    ):
        pass
    assert not list((tmp_path / "data").iterdir())
