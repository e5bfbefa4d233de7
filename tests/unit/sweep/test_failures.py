"""A failed stage leaves a note where the leaderboard looks, and takes it away when it succeeds."""

import json
from pathlib import Path

import pytest

from prn_pipeline.sweep.failures import forget_failure, note_failed_stage, noting_failure

NAMES = {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 0}
CELL = Path("data/08_reporting/drive/unet/prn/seed-0/failure.json")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process that DVC has started for one stage; the project's root."""
    monkeypatch.setenv("DVC_STAGE", "evaluation@drive-unet-prn-0")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def fail(names: dict[str, object]) -> None:
    with pytest.raises(ZeroDivisionError), noting_failure(names, lambda error: f"said: {error}"):
        raise ZeroDivisionError("nothing")


def test_a_failure_is_noted_and_forgotten_after_a_success(stage: Path) -> None:
    fail(NAMES)
    found = json.loads((stage / CELL).read_text())
    assert (found["stage"], found["message"]) == ("evaluation", "said: nothing")
    with noting_failure(NAMES, str):
        pass
    assert not (stage / CELL).exists()


def test_what_runs_share_is_noted_once(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "dvc.yaml:base_training@drive-unet-0")
    fail({"dataset": "drive", "base_model": "unet", "seed": 0})
    assert (stage / "data/08_reporting/drive/unet/seed-0/failure.json").is_file()


def test_a_run_by_hand_leaves_no_note(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    fail(NAMES)
    monkeypatch.setenv("DVC_STAGE", "evaluation@x")
    fail({"dataset": "drive"})
    assert list(stage.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "ERROR: failed to reproduce 'evaluation@drive-unet-prn-0': Parameters 'x' are missing from 'p.yml'.",
            "Parameters 'x' are missing from 'p.yml'.",
        ),
        (
            "> kedro\nERROR: failed to reproduce 'evaluation@drive-unet-prn-0': failed to run: kedro, exited with -9",
            "its process ended with -9 (killed; out of memory?)",
        ),
        ("nothing that is known", "DVC did not start it: see the log of its job"),
    ],
)
def test_what_left_no_note_is_noted_with_dvcs_words(tmp_path: Path, said: str, message: str) -> None:
    note_failed_stage("evaluation@drive-unet-prn-0", "evaluation", NAMES, said, tmp_path)
    assert json.loads((tmp_path / CELL).read_text())["message"] == message
    note_failed_stage("evaluation@drive-unet-prn-0", "evaluation", NAMES, "other words", tmp_path)
    assert json.loads((tmp_path / CELL).read_text())["message"] == message, "what is there says more"


def test_a_note_is_forgotten_when_its_own_stage_runs_again(tmp_path: Path) -> None:
    note_failed_stage("evaluation@drive-unet-prn-0", "evaluation", NAMES, "", tmp_path)
    forget_failure("prn_training", NAMES, tmp_path)
    assert (tmp_path / CELL).is_file()
    forget_failure("evaluation", NAMES, tmp_path)
    assert not (tmp_path / CELL).exists()
    forget_failure("evaluation", NAMES, tmp_path)
