"""Tables of many runs agree with the scores."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.results_page import PAGE, SECTIONS, goals, read_runs, write_page
from tests.unit.test_parameters import PROJECT

BEGIN, END = "<!-- runs: begin -->", "<!-- runs: end -->"

LISTS = [{"datasets": ["roads", "cells"], "base_models": ["unet"], "refiners": ["prn", "bias_field"], "seeds": [0]}]


def scores(dataset: str, refiner: str, gain: float, low: float) -> dict[str, Any]:
    iou = {
        "base": 0.6,
        "tuned_threshold": 0.61,
        "rankseg": 0.605,
        "tta": 0.62,
        "refined": 0.6 + gain,
        "patch_oracle": 0.8,
    }
    return {
        **{"dataset": dataset, "base_model": "unet", "refiner": refiner, "seed": 0, "n_test": 9},
        "methods": {name: {"iou_micro": value, "iou_macro": value - 0.1} for name, value in iou.items()},
        "gain": {
            "vs_base": {"iou_micro": gain, "ci95": [low, gain + 0.01]},
            "vs_best_free": {"method": "tta", "iou_micro": gain - 0.02},
            "images_worse_pct": 12.0,
        },
        "schema": 2,
    }


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    for dataset, refiner, gain, low in (("roads", "prn", 0.05, 0.03), ("cells", "prn", 0.02, -0.01)):
        file = tmp_path / dataset / "unet" / refiner / "seed-0.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(scores(dataset, refiner, gain, low)))
    return tmp_path


def test_goals_are_met_or_missed_by_what_was_measured(metrics: Path) -> None:
    found = {goal: (value, met) for goal, value, met in goals(read_runs(metrics, LISTS))}
    assert list(found.values()) == [
        ("+3.50, median +3.50", True),  # mean of 5 and 2
        ("+2.50, median +2.50", True),  # mean of 4 and 1 over the tuned threshold
        ("50 %", False),
        ("worst +2.00", True),
        ("mean +3.50, falls in 0 of 2", True),
    ]


def test_the_page_keeps_its_prose_and_says_how_many_runs_are_missing(metrics: Path, tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    for _ in range(2):  # a second time changes nothing
        write_page(page, metrics, [LISTS[0] | {"datasets": ["roads", "cells", "others"]}])
        text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n2 of 3 runs of `prn`")
    assert text.endswith(f"{END}\nafter\n")
    assert "stale" not in text
    assert (
        "| `roads` | `unet` | 0 | 9 | 0.600 | 0.610 | 0.605 | 0.620 | **0.650** | 0.800 | +5.0 [+3.0, +6.0] |" in text
    )
    assert "| `prn` | 2 | +3.50 | +3.50 | +2.50 | +1.50 | 1 of 2 |" in text


def test_a_table_may_be_of_another_refiner_which_has_no_goals(tmp_path: Path) -> None:
    file = tmp_path / "roads/unet/prn_paper/seed-0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(scores("roads", "prn_paper", -0.02, -0.04)))
    page = tmp_path / "results.md"
    page.write_text("<!-- paper: begin -->\n<!-- paper: end -->\n")
    write_page(page, tmp_path, [LISTS[0] | {"refiners": ["prn_paper"]}], "paper", "prn_paper")
    text = page.read_text()
    assert "1 of 2 runs of `prn_paper` are done." in text
    assert "goal" not in text
    assert "| **0.580** | 0.800 | -2.0 [-4.0, -1.0] | -3.0 | -4.0 | 12 |" in text


def test_a_page_without_marks_is_left_alone(metrics: Path, tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text("mine")
    with pytest.raises(ValueError, match="put them where the tables belong"):
        write_page(page, metrics, LISTS)
    assert page.read_text() == "mine"


@pytest.mark.parametrize("mark", SECTIONS)
def test_every_section_has_its_place_on_the_page_and_its_list(mark: str) -> None:
    text = (PROJECT / PAGE).read_text()
    assert text.count(f"<!-- {mark}: begin -->") == text.count(f"<!-- {mark}: end -->") == 1
    assert (PROJECT / SECTIONS[mark][1]).is_file()
