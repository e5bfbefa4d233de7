"""A user's mistake ends in one message; a defect keeps its traceback."""

import os

import click
import pytest
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError

from prn_pipeline.cli import cli, speaking_plainly, users_mistake
from prn_pipeline.commands.benchmark import by_reason
from prn_pipeline.errors import UserError
from prn_pipeline.reporting.leaderboard import Cell
from prn_pipeline.tracking import flat_metrics


def wrapped_as_kedro_does() -> None:
    try:
        raise UserError("no folder x: set PRN_DATA_ROOT")
    except UserError as error:
        raise DatasetError("Failed while saving data") from error


def test_a_users_mistake_is_found_below_what_kedro_wraps_around_it() -> None:
    with pytest.raises(click.ClickException) as caught:
        speaking_plainly(wrapped_as_kedro_does)()
    assert caught.value.message == "no folder x: set PRN_DATA_ROOT"


def test_a_defect_is_not_hidden() -> None:
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        speaking_plainly(broken)()
    assert users_mistake(ZeroDivisionError()) is None


def test_the_project_has_kedros_run_command_with_all_its_options() -> None:
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


def test_names_of_classes_that_mlflow_refuses_are_spelt_otherwise() -> None:
    flat = flat_metrics({"classes": {"road (paved), wet": {"iou": 0.5}, "abe's fish": {"iou": 0.1}}})
    assert flat == {"classes.road _paved__ wet.iou": 0.5, "classes.abe_s fish.iou": 0.1}


def test_scores_become_flat_metrics() -> None:
    scores = {"seed": 3, "n_test": 5, "dataset": "x", "methods": {"prn": {"iou_micro": 0.5, "ci": [0.4, 0.6]}}}
    assert flat_metrics(scores) == {
        "n_test": 5.0,
        "methods.prn.iou_micro": 0.5,
        "methods.prn.ci.0": 0.4,
        "methods.prn.ci.1": 0.6,
    }


def test_what_cells_have_failed_of_together_is_said_once() -> None:
    names = {"dataset": "roads", "base_model": "unet", "refiner": "prn"}
    broken = {"stage": "ingestion", "message": "1 of 9 samples\n cannot be used"}
    cells = [Cell(names | {"seed": seed}, failure=dict(broken)) for seed in (0, 1)] + [Cell(names | {"seed": 2})]
    found = by_reason(cells)
    assert list(found) == ["failed in ingestion: 1 of 9 samples cannot be used", "not run:"]
    assert [cell.path for cell in found["not run:"]] == ["roads/unet/prn/seed-2"]
