"""A failed stage records its failure where the leaderboard reads it; a success removes the record."""

import json
from pathlib import Path

import pytest

from prn_pipeline.sweep.failures import clear_failure, record_failed_stage, record_failure

NAMES = {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 0}
RECORD = Path("data/08_reporting/drive/unet/prn/seed-0/failure.json")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process that DVC has started for one stage; the project's root."""
    monkeypatch.setenv("DVC_STAGE", "evaluation@drive-unet-prn-0")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def fail(names: dict[str, object]) -> None:
    with pytest.raises(ZeroDivisionError), record_failure(names, lambda error: f"error: {error}"):
        raise ZeroDivisionError("nothing")


def test_a_failure_is_recorded_and_a_success_removes_it(stage: Path) -> None:
    fail(NAMES)
    found = json.loads((stage / RECORD).read_text())
    assert (found["stage"], found["message"]) == ("evaluation", "error: nothing")
    with record_failure(NAMES, str):
        pass
    assert not (stage / RECORD).exists()


def test_a_failure_of_a_shared_stage_is_recorded_in_its_own_scope(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "dvc.yaml:base_training@drive-unet-0")
    fail({"dataset": "drive", "base_model": "unet", "seed": 0})
    assert (stage / "data/08_reporting/drive/unet/seed-0/failure.json").is_file()


def test_a_run_outside_dvc_records_nothing(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    fail(NAMES)
    monkeypatch.setenv("DVC_STAGE", "evaluation@x")
    fail({"dataset": "drive"})
    assert list(stage.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "ERROR: failed to reproduce 'evaluation@drive-unet-prn-0': Parameters 'x' are missing from 'p.yml'.",
            "Parameters 'x' are missing from 'p.yml'.",
        ),
        (
            "> kedro\nERROR: failed to reproduce 'evaluation@drive-unet-prn-0': failed to run: kedro, exited with -9",
            "its process ended with -9 (killed; out of memory?)",
        ),
        ("an unknown message", "DVC did not start it: see the log of its job"),
    ],
)
def test_a_stage_without_a_record_is_recorded_with_dvcs_message(tmp_path: Path, output: str, message: str) -> None:
    record_failed_stage("evaluation@drive-unet-prn-0", "evaluation", NAMES, output, tmp_path)
    assert json.loads((tmp_path / RECORD).read_text())["message"] == message
    record_failed_stage("evaluation@drive-unet-prn-0", "evaluation", NAMES, "other output", tmp_path)
    assert json.loads((tmp_path / RECORD).read_text())["message"] == message, "the first record stays"


def test_a_record_is_removed_only_when_its_own_stage_runs_again(tmp_path: Path) -> None:
    record_failed_stage("evaluation@drive-unet-prn-0", "evaluation", NAMES, "", tmp_path)
    clear_failure("prn_training", NAMES, tmp_path)
    assert (tmp_path / RECORD).is_file()
    clear_failure("evaluation", NAMES, tmp_path)
    assert not (tmp_path / RECORD).exists()
    clear_failure("evaluation", NAMES, tmp_path)
