"""Results that a project's runs wrote become committed results, with what DVC recorded of them."""

import json
from pathlib import Path

import pytest
import yaml

from benchmarks.keep_results import keep_lock, keep_scores, runs_of
from prn_pipeline.errors import UserError

RUNS = runs_of({"datasets": ["roads"], "base_models": ["unet"], "refiners": ["prn"], "seeds": [0, 1]})


def write_scores(project: Path, seed: int, **scores: object) -> None:
    file = project / f"metrics/roads/unet/prn/seed-{seed}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(scores))


def test_scores_of_finished_runs_are_kept_and_others_left_out(tmp_path: Path) -> None:
    write_scores(tmp_path, 1, schema=2, n_test=9)
    assert keep_scores(tmp_path, RUNS) == [("roads", "unet", "prn", 1)]
    kept = tmp_path / "benchmarks/results/roads/unet/prn"
    assert [file.name for file in kept.iterdir()] == ["seed-1.json"]
    assert json.loads((kept / "seed-1.json").read_text())["n_test"] == 9


def test_scores_of_another_schema_are_not_kept(tmp_path: Path) -> None:
    write_scores(tmp_path, 0, n_test=9)
    with pytest.raises(UserError, match="expected schema 2"):
        keep_scores(tmp_path, RUNS)
    assert not (tmp_path / "benchmarks").exists()


def test_the_lock_of_these_runs_joins_the_committed_one(tmp_path: Path) -> None:
    def lock(file: Path, **stages: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            yaml.safe_dump({"schema": "2.0", "stages": {name: {"cmd": cmd} for name, cmd in stages.items()}})
        )

    committed = tmp_path / "benchmarks/results/dvc.lock"
    lock(committed, **{"ingestion@roads": "old", "ingestion@drive": "kept"})
    lock(
        tmp_path / "dvc.lock",
        **{
            "ingestion@roads": "new",
            "evaluation@roads-unet-prn-0": "new",
            "evaluation@roads-unet-bias_field-0": "other",
        },
    )
    keep_lock(tmp_path, RUNS[:1])
    stages = yaml.safe_load(committed.read_text())["stages"]
    assert {name: stage["cmd"] for name, stage in stages.items()} == {
        "ingestion@drive": "kept",
        "ingestion@roads": "new",
        "evaluation@roads-unet-prn-0": "new",
    }
