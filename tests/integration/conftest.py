"""A copy of the project whose artefacts go to a temporary folder, and small runs of its real pipelines."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from benchmarks.small_project import SMALL, copy_project, merged
from prn_pipeline.commands.user_errors import as_user_error
from prn_pipeline.sweep.environment import tool_environment
from prn_pipeline.sweep.warm.commands import warm_commands
from tests.conftest import PROJECT

Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _own_tracking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("DO_NOT_TRACK", "1")


@pytest.fixture(scope="session")
def warm_path() -> Iterator[str]:
    """A PATH with the commands of this environment, of which `dvc`, `kedro` and `prn` start at once."""
    with warm_commands(PROJECT, tool_environment(), ["dvc", "kedro", "prn"]) as warm:
        yield warm.environment["PATH"]


@pytest.fixture
def project(empty_tracking_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy without MLflow runs, which is also the working directory."""
    folder = copy_project(tmp_path / "project")
    shutil.copy(empty_tracking_store, folder / "mlflow.db")
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


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose default run has been run once, from ingestion to the report; tests only look at it.

    Test processes that run at the same time share it: the folder above theirs is the same.
    """
    place = tmp_path_factory.getbasetemp()
    place = (place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "finished"
    place.mkdir(exist_ok=True)
    folder, done = place / "project", place / "done"
    with FileLock(place / "lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(copy_project(folder))
                patch.delenv("MLFLOW_TRACKING_URI", raising=False)
                run_pipelines(folder)
            done.touch()
    return folder
