"""A user error ends in one message; a defect keeps its traceback."""

import errno
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import mlflow
import pytest
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from mlflow.exceptions import MlflowException
from yaml.parser import ParserError
from yaml.representer import RepresenterError

from prn_pipeline.cli import cli
from prn_pipeline.commands.benchmark import by_reason
from prn_pipeline.commands.kedro_messages import user_errors_reported_once
from prn_pipeline.commands.user_errors import as_user_error, check_run_options, report_user_errors
from prn_pipeline.errors import UserError
from prn_pipeline.hooks import ReportPathHooks
from prn_pipeline.reporting.leaderboard import BenchmarkRun
from prn_pipeline.tracking.killed_runs import kill_open_runs
from prn_pipeline.tracking.metric_names import flat_metrics
from tests.unit.test_parameters import PROJECT


def wrapped_as_kedro_does() -> None:
    try:
        raise UserError("no folder x: set PRN_DATA_ROOT")
    except UserError as error:
        raise DatasetError("Failed while saving data") from error


def test_a_user_error_is_found_inside_kedros_exceptions() -> None:
    with pytest.raises(click.ClickException) as caught:
        report_user_errors(wrapped_as_kedro_does)()
    assert caught.value.message == "no folder x: set PRN_DATA_ROOT"


def test_a_defect_is_not_hidden() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        report_user_errors(broken)()
    assert as_user_error(ZeroDivisionError()) is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "data/x.zarr"), "data/x.zarr: No space left on device; free"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system; mount it for writing"),
        (ParserError("Invalid YAML conf/a.yml, line 1."), "Invalid YAML conf/a.yml, line 1. Correct the file."),
        (
            MlflowException("API request to http://away:9/api/2.0/mlflow/runs failed with exception Max retries"),
            "the tracking server http://away:9 does not answer (Max retries): start it, or correct MLFLOW_TRACKING_URI",
        ),
    ],
)
def test_errors_of_other_libraries_that_a_user_can_resolve_are_user_errors(error: Exception, message: str) -> None:
    assert str(as_user_error(error)).startswith(message)


def test_a_path_that_cannot_be_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    attempts: list[tuple[Callable[[], object], str]] = [
        ((tmp_path / "file/out").mkdir, "file/out: Not a directory; a file is where a folder is needed"),
        ((tmp_path / "file").mkdir, "file: File exists; a file is where a folder is needed"),
        ((tmp_path / "folder").read_text, "folder: Is a directory; a folder is where a file is needed"),
        ((tmp_path / ("x" * 300)).mkdir, "File name too long; choose a shorter name"),
    ]
    found = []
    for attempt, _ in attempts:
        with pytest.raises(OSError, match=r".") as caught:
            attempt()
        found.append(str(as_user_error(caught.value)))
    assert [message in text for text, (_, message) in zip(found, attempts, strict=True)] == [True] * 4


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "x"),
        MlflowException("a bug"),
        MlflowException("API request to endpoint /api/2.0/mlflow/runs failed with error code 403 != 200. Response: no"),
        RepresenterError("cannot represent an object"),
        ValueError("x"),
    ],
)
def test_every_other_error_is_a_defect(error: Exception) -> None:
    assert as_user_error(error) is None


def test_an_error_while_handling_a_user_error_is_a_defect_but_one_raised_from_it_is_not() -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "x")
    defect, wrapped = TypeError("of the handler"), DatasetError("Failed while saving")
    defect.__context__ = wrapped.__cause__ = full
    assert as_user_error(defect) is None
    assert str(as_user_error(wrapped)).startswith("x: No space left")


def test_unknown_pipelines_and_environments_are_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap_project(PROJECT)
    monkeypatch.chdir(PROJECT)
    with pytest.raises(
        UserError, match=r"unknown pipeline 'evaluate'; did you mean 'evaluation'\? There are ingestion,"
    ):
        check_run_options({"pipelines": ["ingestion", "evaluate"]})
    with pytest.raises(UserError, match=r"unknown environment 's33'; did you mean 's3'\?.*folder of .*conf"):
        check_run_options({"env": "s33"})
    check_run_options({"pipelines": ["ingestion"], "pipeline": None, "env": "base"})
    check_run_options({"env": "theirs", "conf_source": "/etc/theirs"})


@pytest.fixture
def _leaves_nothing_behind() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
    while mlflow.active_run() is not None:
        mlflow.end_run()


@pytest.mark.usefixtures("_leaves_nothing_behind")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_its_exit_code_and_mlflow_runs_as_killed(
    number: int, code: int, tracking_store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    before = signal.getsignal(signal.SIGTERM)
    mlflow.set_tracking_uri(tracking_store)
    mlflow.set_experiment("signals")

    def run(**_: object) -> None:  # like Kedro, which leaves MLflow runs open because it calls no hook
        mlflow.start_run()
        mlflow.start_run(nested=True)
        os.kill(os.getpid(), number)
        time.sleep(10)

    monkeypatch.setattr(kedro_run, "callback", run)
    with pytest.raises(SystemExit) as ended:
        cli.commands["run"].callback(params={})  # type: ignore[misc]
    assert ended.value.code == code
    assert "the next start continues" in capsys.readouterr().err
    states = [one.info.status for one in mlflow.search_runs(search_all_experiments=True, output_format="list")]
    assert states == ["KILLED", "KILLED"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_unreachable_server_changes_neither_the_exit_code_nor_the_signal_handlers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = []

    def end_run(status: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)  # a second signal meanwhile
        ended.append(status)
        raise MlflowException("nobody there")

    monkeypatch.setattr(mlflow, "active_run", object)
    monkeypatch.setattr(mlflow, "end_run", end_run)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), kill_open_runs():
        raise KeyboardInterrupt
    assert ended == ["KILLED"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_run_command_has_all_options_of_kedros() -> None:
    run = cli.commands["run"]
    assert {"params", "pipelines", "from_nodes", "env"} <= {parameter.name for parameter in run.params}


def test_a_stage_of_dvc_reads_the_raw_data_that_dvc_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setenv("PRN_DATA_ROOT", "/elsewhere")
    monkeypatch.setattr(
        kedro_run, "callback", lambda params: seen.append((os.environ.get("PRN_DATA_ROOT"), params.get("datasets")))
    )
    for stage in ("", "ingestion@drive"):
        if stage:
            monkeypatch.setenv("DVC_STAGE", stage)
        cli.commands["run"].callback(params={"dataset": "drive"})  # type: ignore[misc]
    assert seen == [("/elsewhere", None), (None, {"drive": {"folder": None}})]


def test_a_run_answers_programs_in_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    scores = json.loads(next((PROJECT / "benchmarks/results").rglob("seed-0.json")).read_text())

    def ends(written: Path | None) -> Any:
        monkeypatch.setattr(ReportPathHooks, "scores", scores)
        monkeypatch.setattr(kedro_run, "callback", lambda params: setattr(ReportPathHooks, "written", written))
        cli.commands["run"].callback(params={}, as_json=True)  # type: ignore[misc]
        return json.loads(capsys.readouterr().out)

    assert ends(None) == {}, "of stages that make no report"
    found = ends(Path("report.html"))
    assert found["report"] == "report.html"
    assert found["iou_micro"]["refined"] == scores["methods"]["refined"]["iou_micro"]


def test_a_quiet_run_logs_warnings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("prn_pipeline")
    before, levels = logger.level, []
    monkeypatch.setattr(kedro_run, "callback", lambda params: levels.append(logger.getEffectiveLevel()))
    try:
        cli.commands["run"].callback(params={}, quiet=True)  # type: ignore[misc]
    finally:
        logger.setLevel(before)
    assert levels == [logging.WARNING]


def test_characters_that_mlflow_rejects_become_underscores() -> None:
    flat = flat_metrics({"classes": {"road (paved), wet": {"iou": 0.5}, "abe's fish": {"iou": 0.1}}})
    assert flat == {"classes.road _paved__ wet.iou": 0.5, "classes.abe_s fish.iou": 0.1}


def test_scores_become_flat_metrics() -> None:
    scores = {"seed": 3, "n_test": 5, "dataset": "x", "methods": {"refined": {"iou_micro": 0.5, "ci": [0.4, 0.6]}}}
    assert flat_metrics(scores) == {
        "n_test": 5.0,
        "methods.refined.iou_micro": 0.5,
        "methods.refined.ci.0": 0.4,
        "methods.refined.ci.1": 0.6,
    }


def test_runs_without_scores_are_grouped_by_reason() -> None:
    names = {"dataset": "roads", "base_model": "unet", "refiner": "prn"}
    broken = {"stage": "ingestion", "message": "1 of 9 samples\n cannot be used"}
    runs = [BenchmarkRun(names | {"seed": seed}, failure=dict(broken)) for seed in (0, 1)] + [
        BenchmarkRun(names | {"seed": 2})
    ]
    found = by_reason(runs)
    assert list(found) == ["failed in ingestion: 1 of 9 samples cannot be used", "not run:"]
    assert [run.path for run in found["not run:"]] == ["roads/unet/prn/seed-2"]


def failed_node(error: Exception, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What Kedro logs while a node fails with an error."""

    def fail() -> int:
        raise error

    with user_errors_reported_once(), pytest.raises(type(error)):
        SequentialRunner().run(Pipeline([Node(fail, None, "made", name="fail")]), DataCatalog())
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_kedro_says_nothing_about_an_error_of_the_users(caplog: pytest.LogCaptureFixture) -> None:
    assert failed_node(UserError("no folder x"), caplog) == []
    assert failed_node(OSError(errno.ENOSPC, "No space left on device"), caplog) == []


def test_kedro_reports_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    said = failed_node(ZeroDivisionError("nothing"), caplog)
    assert "failed with error" in said[0]
    assert "No nodes ran" in said[1]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc on this machine")
def test_a_folder_that_takes_no_files_is_named_with_the_remedy(tmp_path: Path) -> None:
    for make in (
        lambda: Path("/proc/prn/more").mkdir(parents=True),
        lambda: Path("/proc/prn.csv").write_text("x"),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            make()
        found = str(as_user_error(caught.value))
        assert found.endswith("no file or folder can be made in /proc; choose another place")
        assert found.startswith("/proc/prn")
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "none.csv").read_text()
    assert as_user_error(missing.value) is None, "a file that is missing where files can be made is a defect"
    assert not list(tmp_path.iterdir())
