"""The tracking store is made by one process at a time, and an address that cannot be one is refused with the remedy."""

import multiprocessing
import sqlite3
import sys
import time
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from prn_pipeline.commands.user_errors import check_run_options
from prn_pipeline.errors import UserError
from prn_pipeline.tracking.tracking_store import RUN_ID, forget_left_run_id, prepare_tracking_store


def database(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db?timeout=60"


def _first_contact(folder: Path, ready: multiprocessing.Barrier) -> None:
    ready.wait()
    prepare_tracking_store(database(folder), folder)
    MlflowClient(database(folder)).search_experiments()


def test_processes_that_meet_at_a_new_database_all_find_it_whole(tmp_path: Path) -> None:
    start = multiprocessing.get_context("spawn" if sys.platform == "darwin" else "fork")
    ready = start.Barrier(3)
    processes = [start.Process(target=_first_contact, args=(tmp_path, ready)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not list(tmp_path.rglob("*.lock"))


def test_a_process_that_is_killed_while_it_creates_the_database_leaves_none_and_the_next_one_finds_no_half(
    tmp_path: Path,
) -> None:
    start = multiprocessing.get_context("fork")
    process = start.Process(target=prepare_tracking_store, args=(database(tmp_path), tmp_path))
    process.start()
    deadline = time.monotonic() + 60
    while not (half := list(tmp_path.glob(".mlflow.*.partial.db"))) or not half[0].stat().st_size:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.join()
    assert not (tmp_path / "mlflow.db").exists()
    prepare_tracking_store(database(tmp_path), tmp_path)
    assert MlflowClient(database(tmp_path)).search_experiments()
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == ["mlflow.db"]


def test_half_a_database_is_named_as_such(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("create table assessments (assessment_id varchar(50))")
    with pytest.raises(UserError, match=r"mlflow.db\S* is half a database: .*delete the file if it holds no runs"):
        prepare_tracking_store(database(tmp_path), tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A database that is in use."""
    prepare_tracking_store(database(tmp_path), tmp_path)
    return database(tmp_path)


def test_a_database_of_another_version_is_named_with_the_command_that_upgrades_it(store: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as opened:
        opened.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    other = store.replace("timeout=60", "timeout=61")  # MLflow checks a store that it has opened only once
    with pytest.raises(UserError, match=r"mlflow.db.*another version of MLflow.*`mlflow db upgrade 'sqlite:///"):
        prepare_tracking_store(other, tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(UserError, match=r"sqlite:///.*mlflow.db.*cannot be used .*not a database"):
        prepare_tracking_store(database(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("file:///", r"file:/// is the root of this machine's disks.*export MLFLOW_TRACKING_URI=sqlite"),
        ("file:///{here}/mlruns", r"is a folder of files, which MLflow no longer writes.*migrate-filestore"),
        ("mlruns", r"is a folder of files, which MLflow no longer writes"),
        ("foo://bob:pl4nted-S3cret@x", r"the tracking store foo://\*\*\*@x cannot be used"),
    ],
)
def test_an_address_that_cannot_be_a_store_is_refused(uri: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        prepare_tracking_store(uri.format(here=tmp_path), tmp_path)
    assert "pl4nted" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "mlruns").exists()


def test_a_project_whose_folder_has_a_question_mark_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (project := tmp_path / "roads?x").mkdir()
    with pytest.raises(UserError, match=r"roads\?x has a \? in its name.*rename the folder"):
        prepare_tracking_store(database(project), project)
    assert [path.name for path in tmp_path.iterdir()] == ["roads?x"]
    prepare_tracking_store(database(tmp_path), project)  # a database elsewhere


@pytest.mark.parametrize("state", ["ended", "unknown", "open"])
def test_a_run_id_that_is_left_over_is_ignored_with_a_warning(
    state: str, store: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = MlflowClient(store)
    run = client.create_run("0").info.run_id
    if state == "ended":
        client.set_terminated(run)
    monkeypatch.setenv(RUN_ID, "0123" if state == "unknown" else run)
    forget_left_run_id(store)
    kept = mlflow.environment_variables.MLFLOW_RUN_ID.get()
    assert kept == (run if state == "open" else None)
    assert ("is ignored: unset it" in caplog.text) == (state != "open")


def test_a_runner_of_several_processes_is_refused() -> None:
    with pytest.raises(UserError, match=r"ParallelRunner cannot run these pipelines.*--jobs N"):
        check_run_options({"runner": "ParallelRunner"})
