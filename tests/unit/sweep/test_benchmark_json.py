"""`prn benchmark --json`: one JSON object on standard output, and nothing else there."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from prn_pipeline.commands import prn
from prn_pipeline.sweep import leaderboard, run_stale
from prn_pipeline.sweep.failures import record_failed_stage
from prn_pipeline.sweep.run import Job, Outcome
from tests.unit.own_project import enter_own_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = enter_own_project(tmp_path, monkeypatch)
    (made / "conf/base/benchmark.yml").write_text(
        "datasets: [synthetic_roads]\nbase_models: [unet_resnet18_small]\nrefiners: [prn, trees]\nseeds: [0]\n"
    )
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(leaderboard, "track_if_possible", lambda *_: None)
    return made


def test_programs_read_how_the_runs_ended(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"dataset": "synthetic_roads", "base_model": "unet_resnet18_small", "refiner": "trees", "seed": 0}

    def failing(lists: object, root: Path, jobs: int, on_outcome: object, on_stage: object) -> list[Outcome]:
        record_failed_stage("prn_training@x", "prn_training", names, "Error: no memory", root)
        job = Job("synthetic_roads-unet_resnet18_small-0", ())
        outcome = Outcome(job, root / "log", ["base_training@x"], ["prn_training@x"])
        on_outcome(outcome)  # type: ignore[operator]
        return [outcome]

    monkeypatch.setattr(run_stale, "run_stale", failing)
    done = CliRunner().invoke(prn, ["benchmark", "--json"], catch_exceptions=False)
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["done"], found["failed"]) == (["base_training@x"], ["prn_training@x"])
    assert [(one["refiner"], one["state"]) for one in found["runs"]] == [("prn", "missing"), ("trees", "failed")]
    failure = found["runs"][1]["failure"]
    assert failure["stage"] == "prn_training"
    assert failure["message"] == "DVC did not start it: see the log of its job"
    assert Path(found["leaderboard"]).is_file()
    assert "failed in prn_training@x" in done.stderr
    assert "Leaderboard: " in done.stderr
