"""A failed stage leaves a note where the leaderboard looks, and takes it away when it succeeds."""

import json
from pathlib import Path

import pytest

from prn_pipeline.benchmark.failures import note_unstarted, noting_failure
from prn_pipeline.benchmark.lists import Lists

NAMES = {"dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": 0}
CELL = Path("data/08_reporting/drive/unet/prn/seed-0/failure.json")
LISTS = Lists(datasets=["drive"], base_models=["unet"], refiners=["prn", "other"], seeds=[0])


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


def test_what_cells_share_is_noted_once(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "dvc.yaml:base_training@drive-unet-0")
    fail({"dataset": "drive", "base_model": "unet", "seed": 0})
    assert (stage / "data/08_reporting/drive/unet/seed-0/failure.json").is_file()


def test_a_run_by_hand_leaves_no_note(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    fail(NAMES)
    monkeypatch.setenv("DVC_STAGE", "evaluation@x")
    fail({"dataset": "drive"})
    assert list(stage.iterdir()) == []


def test_stages_that_dvc_could_not_start_are_noted_with_its_words(tmp_path: Path) -> None:
    log = (
        "Stage 'ingestion@drive' didn't change, skipping\n"
        "WARNING: Parameters 'refiners.other' are missing from 'conf/base/parameters_refiners.yml'.\n"
        "WARNING: Stages 'reporting@drive-unet-other-0' will be skipped due to this failure\n"
        "WARNING: failed to run: kedro run --pipelines prn_training, exited with 1\n"
        "ERROR: failed to reproduce stages: 'prn_training@drive-unet-prn-0' and 'prn_training@drive-unet-other-0'\n"
    )
    (tmp_path / CELL).parent.mkdir(parents=True)
    (tmp_path / CELL).write_text("{}")
    note_unstarted(log, LISTS, tmp_path)
    file = tmp_path / "data/08_reporting/drive/unet/other/seed-0/failure.json"
    assert json.loads(file.read_text())["message"] == (
        "Parameters 'refiners.other' are missing from 'conf/base/parameters_refiners.yml'."
    )
    assert (tmp_path / CELL).read_text() == "{}", "what the stage itself has noted says more"


def test_a_log_without_reasons_points_to_itself(tmp_path: Path) -> None:
    note_unstarted("ERROR: failed to reproduce 'evaluation@drive-unet-prn-0'\n", LISTS, tmp_path)
    assert "see the log" in json.loads((tmp_path / CELL).read_text())["message"]
    note_unstarted("ERROR: failed to reproduce 'evaluation@someone-elses'\n", LISTS, tmp_path)
