"""The leaderboard is logged to MLflow."""

import shutil
from pathlib import Path

import mlflow
import pytest

from prn_pipeline.reporting.leaderboard import make_leaderboard
from prn_pipeline.sweep.committed_results import RESULTS
from prn_pipeline.sweep.leaderboard import track_if_possible, track_leaderboard, write_leaderboard
from prn_pipeline.sweep.lists import read_lists
from tests.unit.reporting.leaderboard_runs import benchmark

PROJECT = Path(__file__).resolve().parents[3]


def test_characters_that_mlflow_rejects_become_underscores(
    tmp_path: Path, tracking_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = benchmark(seeds=(0,))
    for run in runs:
        run.names["refiner"] = run.names["refiner"].replace("bias_field", "prn+crf")  # type: ignore[index]
    page = tmp_path / "page" / "leaderboard.html"
    page.parent.mkdir()
    made = make_leaderboard(runs, tmp_path, {})
    page.write_text(made.html)
    track_leaderboard(made, page, {"uri": tracking_store, "experiment": "named"})
    (run,) = mlflow.search_runs(experiment_names=["named"], output_format="list")
    assert run.data.tags["role"] == "benchmark"
    assert run.data.metrics["gain.drive.fpn.prn_crf"] == pytest.approx(0.005)
    assert run.data.metrics["rank.prn"] == 1


def test_committed_results_are_not_on_the_leaderboard_of_a_fresh_clone(tmp_path: Path) -> None:
    scores = f"{RESULTS}/synthetic_roads/unet_resnet18_small/prn/seed-0.json"
    (tmp_path / scores).parent.mkdir(parents=True)
    shutil.copy(PROJECT / scores, tmp_path / scores)
    leaderboard, page = write_leaderboard(read_lists(PROJECT), tmp_path)
    assert list(leaderboard.standings) == []
    assert [run.state for run in leaderboard.unscored] == ["missing"] * len(list(read_lists(PROJECT).runs()))
    assert page.is_file()


def test_an_unreachable_tracking_server_causes_a_warning_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    made = make_leaderboard(benchmark(seeds=(0,)), tmp_path, {})
    warnings: list[str] = []
    track_if_possible(
        made, tmp_path / "leaderboard.html", {"uri": "http://127.0.0.1:9", "experiment": "away"}, warnings.append
    )
    assert len(warnings) == 1
    assert "was not logged to MLflow" in warnings[0]
