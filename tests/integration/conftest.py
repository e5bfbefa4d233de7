"""A copy of the project whose artefacts go to a temporary folder, and small runs of its real pipelines."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from prn_pipeline.commands.user_errors import as_user_error

PROJECT = Path(__file__).resolve().parents[2]

#: A run that takes seconds.
SMALL: dict[str, Any] = {
    "datasets": {
        "synthetic_roads": {"image_size": 64, "folds": 3, "training_share": 1, "synthetic": {"count": 18, "size": 64}}
    },
    "base_models": {
        "unet_resnet18_small": {"encoder": "tu-mobilenetv3_small_050", "training": {"epochs": 2, "steps_per_epoch": 3}}
    },
    "logit_caching": {"keep": ["tta", "features"]},
    "prn_training": {"epochs": 2, "steps_per_epoch": 2, "batch_size": 2},
    "refiners": {"prn": {"detail_width": 4, "detail_levels": 2, "region_width": 4}},
    "evaluation": {"resamples": 200},
    "reporting": {"gallery_rows": 1},
}

Run = Callable[..., dict[str, Any]]


#: The lists that the project comes with.
EMBEDDED = {"datasets": ["synthetic_roads"], "base_models": ["unet_resnet18_small"], "refiners": ["prn"], "seeds": [0]}


def copy_project(folder: Path) -> Path:
    """A repository with the project's code and configuration; in this process the code that is tested runs."""
    for name in (
        "conf",
        "pyproject.toml",
        "dvc.yaml",
        ".dvc/config",
        ".dvcignore",
        ".gitignore",
        ".telemetry",
        "data/01_raw/synthetic_roads",
        "src",
    ):
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("local", "__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)
    (folder / "conf" / "local").mkdir()
    (folder / "conf" / "base" / "benchmark.yml").write_text(yaml.safe_dump(EMBEDDED))  # whatever the project's are now
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "copy"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


def make_small(folder: Path) -> Path:
    """Write `SMALL` into the configuration files of a copy, where DVC reads it too."""
    for file in (folder / "conf" / "base").glob("parameters_*.yml"):
        settings = yaml.safe_load(file.read_text())
        small = {section: SMALL[section] for section in settings if section in SMALL}
        file.write_text(yaml.safe_dump(merged(settings, small)))
    return folder


@pytest.fixture(autouse=True)
def _own_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "1")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy, which is also the working directory."""
    folder = copy_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def run_pipelines(
    folder: Path, pipelines: list[str] | None = None, env: str | None = None, **parameters: Any
) -> dict[str, Any]:
    """`kedro run --pipelines ... --env ... --params ...` in this process; parameters go over `SMALL`."""
    bootstrap_project(folder)
    with KedroSession.create(folder, env=env, runtime_params=merged(SMALL, parameters)) as session:
        return session.run(pipeline_names=pipelines)


def mistake_of(project: Path, pipelines: list[str] | None = None, **parameters: Any) -> str:
    """What a run tells its user when it refuses."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - Kedro wraps it
        run_pipelines(project, pipelines, **parameters)
    mistake = as_user_error(caught.value)
    assert mistake is not None, caught.value
    return str(mistake)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` laid over `below`, block by block."""
    result = dict(below)
    for key, value in above.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose default run has been run once, from ingestion to the report; tests only look at it."""
    folder = copy_project(tmp_path_factory.mktemp("finished") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        run_pipelines(folder)
    return folder
