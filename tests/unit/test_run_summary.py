"""What a run prints last says what its scores say."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from prn_pipeline.commands.run_summary import print_summary, summary
from prn_pipeline.reporting.headline import headline
from prn_pipeline.reporting.next_step import next_step

PROJECT = Path(__file__).resolve().parents[2]
COMMITTED = sorted((PROJECT / "benchmarks" / "results").rglob("seed-*.json"))


def printed(scores: Any) -> str:
    print_summary(Console(file=(text := io.StringIO()), markup=False, highlight=False, width=120), scores)
    return text.getvalue()


def row(text: str, *parts: str) -> str:
    (found,) = (line for line in text.splitlines() if all(part in line for part in parts))
    return found


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: "-".join(file.parts[-4:-1]))
def test_the_table_has_the_scores_of_a_run(file: Path) -> None:
    scores = json.loads(file.read_text())
    text, methods, gains = printed(scores), scores["methods"], scores["gain"]
    best = gains["vs_best_free"]
    assert f"{methods['base']['iou_micro']:.3f}" in row(text, "Base model")
    assert f"{methods[best['method']]['iou_micro']:.3f}" in row(text, "(best free)")
    gained = f"{abs(100 * best['iou_micro']):.1f} points"
    assert gained in row(text, "(best free)")
    assert f"{methods['refined']['iou_micro']:.3f}" in text
    assert text.rstrip().endswith(next_step(scores, headline(scores, scores).outcome).command)
    assert "nan" not in text


def test_a_base_model_that_is_the_best_free_method_has_one_row() -> None:
    scores = json.loads(COMMITTED[0].read_text())
    scores["gain"]["vs_best_free"] = {"method": "base", **scores["gain"]["vs_base"]}
    text = printed(scores)
    assert row(text, "Base model (best free)")
    assert row(text, " points ", "│") == row(text, "Base model")


def test_scores_without_gains_are_shown_with_dashes() -> None:
    names = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0}
    text = printed({**names, "methods": {"base": {"iou_micro": 0.5}, "refined": {"iou_micro": None}}, "gain": {}})
    assert "0.500" in row(text, "Base model")
    assert "No claim: a score, the gain or its 95 % interval is missing." in text


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: "-".join(file.parts[-4:-1]))
def test_programs_read_what_people_read(file: Path) -> None:
    scores = json.loads(file.read_text())
    found = json.loads(json.dumps(summary(scores), allow_nan=False))
    assert found["iou_micro"]["refined"] == scores["methods"]["refined"]["iou_micro"]
    assert found["iou_micro"]["best_free"] == scores["methods"][found["best_free_method"]]["iou_micro"]
    gained = scores["gain"]["vs_best_free"]
    assert found["gain_in_points"]["best_free"]["gain"] == pytest.approx(100 * gained["iou_micro"])
    assert found["gain_in_points"]["best_free"]["interval"] == pytest.approx([100 * end for end in gained["ci95"]])
    assert found["verdict"] in printed(scores)


def test_what_is_missing_is_null_for_programs() -> None:
    names = {"dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0}
    found = json.loads(json.dumps(summary({**names, "methods": {}, "gain": {}}), allow_nan=False))
    assert found["gain_in_points"]["base"] == {"gain": None, "interval": None}
    assert found["outcome"] == "unknown"
