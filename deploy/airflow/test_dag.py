"""Airflow runs the DAG on a small copy of the project: `make airflow-test`."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from prn_pipeline.layout.scopes import SCOPE_OF
from tests.integration.conftest import PROJECT, copy_project, make_small

DAG = "prn_retrain"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with small settings and its own Airflow home; both environments are those of this project."""
    folder = make_small(copy_project(tmp_path_factory.mktemp("airflow") / "project"))
    shutil.copytree(PROJECT / "deploy", folder / "deploy")
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    (folder / ".airflow").mkdir()
    (folder / ".airflow" / "venv").symlink_to((PROJECT / ".airflow" / "venv").resolve())
    airflow(folder, "db", "migrate")
    return folder


def airflow(folder: Path, *arguments: str) -> str:
    """Output of `deploy/airflow/airflow` of a project."""
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW_HOME"}
    done = subprocess.run(
        [folder / "deploy/airflow/airflow", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def states_of_a_run(folder: Path, day: str) -> dict[str, str]:
    """Run the DAG; return the final state of each task."""
    airflow(folder, "dags", "test", DAG, day)
    listed = airflow(folder, "tasks", "states-for-dag-run", DAG, f"{day}T00:00:00+00:00", "--output", "json")
    return {task["task_id"]: task["state"] for task in json.loads(listed.splitlines()[-1])}  # after warnings


def test_stages_are_run_once_and_skipped_while_nothing_changes(project: Path) -> None:
    """So is promotion; pull and push are never skipped."""
    stages = [f"run.{name}" for name in (*SCOPE_OF, "promotion")]
    first = states_of_a_run(project, "2026-01-01")
    assert first == {**dict.fromkeys(["pull", "runs", *stages, "push"], "success"), "failed": "skipped"}
    run = "synthetic_roads/unet_resnet18_small/prn/seed-0"
    assert (project / f"metrics/{run}.json").is_file()
    assert isinstance(json.loads((project / f"data/08_reporting/{run}/promotion.json").read_text())["promoted"], bool)

    second = states_of_a_run(project, "2026-01-02")
    assert {name for name, state in second.items() if state == "skipped"} == {*stages, "failed"}
    assert {name for name, state in second.items() if state == "success"} == {"pull", "runs", "push"}
