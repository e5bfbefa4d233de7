"""Scores that cannot be scores are refused where they are read, not where a page stumbles over them."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.errors import UserError
from prn_pipeline.reporting.leaderboard import make_leaderboard, read_runs

NETWORK = {"parameters": 10, "gflop": 0.1, "milliseconds": 1.5}
GAIN = {"iou_micro": 0.01, "ci95": [0.005, 0.02], "p": 0.01, "wrong_pixels": -10}
METHOD = {"iou_micro": 0.7, "iou_micro_ci95": [0.6, 0.8]}
SCORES: dict[str, Any] = {
    **{"schema": 2, "dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0, "n_test": 40},
    "methods": {"base": METHOD, "refined": METHOD},
    "gain": {"vs_base": GAIN, "vs_best_free": {"method": "base", **GAIN}, "images_worse_pct": 12.5},
    "base_training": {"epochs": 3, "best_epoch": 3, "late_epochs": 1, "late_gain": 0.1, "converged": False},
    "guard": {"strength": 1.0, "start": 1, "shift": 0.0},
    "cost": {"base": NETWORK, "refiner": {**NETWORK, "base_passes": 0}},
    "settings": {"base_model": "abc"},
    "seconds": {"evaluation": 3.5, "ingestion": None},
}
NAMES = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0}
WRONG: dict[str, Any] = {
    "gain.vs_best_free.ci95": [0.3, -0.3],
    "gain.vs_best_free.method": None,
    "gain.vs_best_free.iou_micro": None,
    "gain.vs_base.ci95": None,
    "gain.vs_base.wrong_pixels": None,
    "methods.refined.iou_micro": None,
    "methods.refined.iou_micro_ci95": None,
    "gain.vs_best_free.wrong_pixels": "9",
    "methods.base.iou_micro_ci95": [0.8, 0.6],
    "methods.base.iou_micro": True,
    "base_training": "x",
    "base_training.epochs": None,
    "guard": "x",
    "guard.strength": None,
    "cost": None,
    "cost.refiner.base_passes": None,
    "settings": None,
    "seconds": [1],
    "video": "no",
    "base_predicts": 3,
    "doubted_maps": "perhaps",
}


def written(root: Path, changes: dict[str, Any]) -> Path:
    scores = copy.deepcopy(SCORES)
    for place, value in changes.items():
        *way, last = place.split(".")
        block = scores
        for key in way:
            block = block[key]
        block[last] = value
    file = root / "metrics/roads/unet/prn/seed-0.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(scores))
    return file


def test_sound_scores_are_read(tmp_path: Path) -> None:
    assert read_scores(written(tmp_path, {})) == SCORES
    unknown = {"gain.vs_best_free.ci95": [math.nan, math.nan], "own": {"key": 1}, "methods.base.precision": None}
    assert read_scores(written(tmp_path, unknown))["own"] == {"key": 1}


@pytest.mark.parametrize("schema", [1, 3, None])
def test_scores_of_another_version_name_the_command_that_writes_them_again(tmp_path: Path, schema: int | None) -> None:
    with pytest.raises(
        UserError,
        match=r"expected schema 2: run the pipeline evaluation again: kedro run --pipelines evaluation --params"
        r" dataset=roads,base_model=unet,refiner=prn,seed=0, or check out",
    ):
        read_scores(written(tmp_path, {"schema": schema}))


@pytest.mark.parametrize("place", WRONG)
def test_values_that_cannot_be_scores_are_refused_and_do_not_stop_the_leaderboard(tmp_path: Path, place: str) -> None:
    file = written(tmp_path, {place: WRONG[place]})
    with pytest.raises(UserError, match=rf"has {place.split('.', maxsplit=1)[0]}.*kedro run --pipelines evaluation"):
        read_scores(file)
    (run,) = read_runs([NAMES], tmp_path)
    assert run.state == "failed"
    assert "run failed" in make_leaderboard([run], tmp_path, {}).html


@pytest.mark.parametrize("lost", ["base", "refined"])
def test_a_run_without_one_of_the_two_methods_that_every_page_is_about_counts_as_failed(
    tmp_path: Path, lost: str
) -> None:
    kept = {name: of for name, of in SCORES["methods"].items() if name != lost}
    written(tmp_path, {"methods": kept})
    (run,) = read_runs([NAMES], tmp_path)
    assert run.failure is not None
    assert f"has no methods.{lost}" in run.failure["message"]
