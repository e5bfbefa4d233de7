"""Tables of many runs agree with the scores."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.results_page import EXPECTATIONS, HEADLINE, PAGE, README, replace_mark, sections
from benchmarks.situation_tables import NOT_YET, expectations, goals, headline, passes, runs_table
from benchmarks.situations import SITUATIONS, Goal, Situation, over_best_free, over_network_free, training_seconds
from prn_pipeline.sweep.committed_results import RESULTS
from tests.unit.test_parameters import PROJECT, load

WORST = Goal("worst", over_best_free, 0.0)
LIST = {"datasets": ["roads", "cells"], "base_models": ["unet"], "refiners": ["prn", "trees"], "seeds": [0]}
COST = {"parameters": 9, "gflop": 0.1, "milliseconds": 2.0}
HERE = Situation("here", "near", (LIST,), "make it", (WORST,))


def scores(dataset: str, refiner: str, gain: float) -> dict[str, Any]:
    """A run whose best free method is TTA, two points above a base model of .6."""
    iou = {"base": 0.6, "rankseg": 0.605, "tta": 0.62, "refined": 0.6 + gain, "patch_oracle": 0.8}
    over_free = gain - 0.02
    return {
        **{"schema": 2, "dataset": dataset, "base_model": "unet", "refiner": refiner, "seed": 0, "n_test": 9},
        "methods": {name: {"iou_micro": value, "images_worse_pct": 100 * gain} for name, value in iou.items()},
        "gain": {
            "vs_base": {"iou_micro": gain, "ci95": [gain - 0.01, gain + 0.01]},
            "vs_best_free": {
                "method": "tta",
                "iou_micro": over_free,
                "ci95": [over_free - 0.01, over_free + 0.01],
            },
        },
        "seconds": {"base_training": 500, "pseudo_labelling": 4, "prn_training": 30 if refiner == "prn" else 6},
        "cost": {"base": None, "refiner": {**COST, "base_passes": 3 if refiner == "prn" else 0}},
    }


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    for dataset, refiner, gain in (("roads", "prn", 0.05), ("cells", "prn", 0.01), ("roads", "trees", 0.04)):
        file = tmp_path / dataset / "unet" / refiner / "seed-0.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(scores(dataset, refiner, gain)))
    return tmp_path


def test_a_refiner_is_expected_to_do_what_it_did_and_to_cost_what_it_cost(metrics: Path) -> None:
    lines = expectations([(HERE, HERE.runs(metrics))]).splitlines()
    assert lines[2:] == [
        "| near | `prn` | 2 | +3.0 [1.0, 5.0] | +1.0 [\N{MINUS SIGN}1.0, 3.0] | 1 of 2 | 3 | 34 | 4 |",
        "|  | `trees` | 1 | +4.0 [4.0, 4.0] | +2.0 [2.0, 2.0] | 1 of 1 | 4 | 10 | 1 |",
    ]


def test_the_headline_has_the_best_refiner_and_never_what_it_is_compared_with(metrics: Path) -> None:
    here = Situation("here", "near", (LIST | {"refiners": ["prn", "trees", "fine_tune"]},), "make it")
    file = metrics / "roads" / "unet" / "fine_tune" / "seed-0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(scores("roads", "fine_tune", 0.3)))
    lines = headline([(here, here.runs(metrics)), (HERE, [])]).splitlines()
    assert lines[2:] == [
        "| near | `prn` | 2 of 2 | +3.0 [1.0, 5.0] | +1.0 [\N{MINUS SIGN}1.0, 3.0] | 1 of 2 | 3 | 34 | 4 |"
    ], "the better one on roads, which both have; with its loss on cells, which the other has not"
    assert headline([(HERE, [])]) == NOT_YET


def test_a_refiner_with_few_runs_makes_no_headline(metrics: Path) -> None:
    for dataset, refiner, gain in (("eyes", "prn", 0.03), ("roads", "trees", 0.3)):
        file = metrics / dataset / "unet" / refiner / "seed-0.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(scores(dataset, refiner, gain)))
    here = Situation("here", "near", (LIST | {"datasets": ["roads", "cells", "eyes"]},), "make it")
    ((_, name, done),) = [line.split("|")[1:4] for line in headline([(here, here.runs(metrics))]).splitlines()[2:]]
    assert (name, done) == (" `prn` ", " 3 of 3 "), "trees, which are better on roads, have been run there alone"


def test_one_data_set_makes_no_headline(metrics: Path) -> None:
    runs = [run for run in HERE.runs(metrics) if run["dataset"] == "roads"]
    assert {run["refiner"] for run in runs} >= {"prn", "trees"}
    assert headline([(HERE, runs)]) == NOT_YET


def test_seeds_of_one_base_model_count_once_and_only_if_all_of_them_are_above(metrics: Path) -> None:
    (run,) = [run for run in HERE.runs(metrics) if run["refiner"] == "trees"]
    lower = {**run["gain"]["vs_best_free"], "ci95": [-0.01, 0.05]}
    other_seed = run | {"seed": 1, "gain": run["gain"] | {"vs_best_free": lower}}
    for runs, count in (([run, run | {"seed": 1}], "1 of 1"), ([run, other_seed], "0 of 1")):
        assert f"| 2 | +4.0 [4.0, 4.0] | +2.0 [2.0, 2.0] | {count} |" in expectations([(HERE, runs)])


def test_a_network_at_one_size_is_compared_with_what_is_free_at_another(metrics: Path) -> None:
    """The base model `both` has a free method that is better than the refiner over `unet`."""
    file = metrics / "roads" / "both" / "trees" / "seed-0.json"
    file.parent.mkdir(parents=True)
    both = scores("roads", "trees", 0.05) | {"base_model": "both"}
    both["methods"]["tta"]["iou_micro"] = 0.645
    file.write_text(json.dumps(both))
    listed = LIST | {"datasets": ["roads"], "base_models": ["unet", "both"], "refiners": ["trees"]}
    parts = (("one", ("unet",)), ("several", ("both",)))
    here = Situation("here", "near", (listed,), "make it", split=parts, networks=(("unet", "both"),))
    gains = {run["base_model"]: over_network_free(run) for run in here.runs(metrics)}
    assert gains == {"unet": pytest.approx(-0.5), "both": pytest.approx(0.5)}
    assert [(part.title, part.names()) for part in here.parts()] == [
        ("one", [("roads", "unet", "trees", 0)]),
        ("several", [("roads", "both", "trees", 0)]),
    ]
    assert HERE.parts() == [HERE]
    assert np.isnan(over_network_free(HERE.runs(metrics)[0])), "nothing is known of another size"


def test_a_situation_without_runs_says_so() -> None:
    assert expectations([(HERE, [])]).splitlines()[2:] == ["| near |  | 0 | not measured yet |  |  |  |  |  |"]


def test_a_goal_is_met_or_missed_by_a_refiner_whose_runs_are_all_done(metrics: Path) -> None:
    assert goals(HERE, HERE.runs(metrics)).splitlines()[2:] == [
        "| worst gain over the best free method, at least +0.0 | \N{MINUS SIGN}1.00 (`prn`) | **missed** |"
    ], "trees, of which a run is missing, would be better"
    file = metrics / "cells" / "unet" / "trees" / "seed-0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(scores("cells", "trees", 0.03)))
    assert goals(HERE, HERE.runs(metrics)).splitlines()[2:] == [
        "| worst gain over the best free method, at least +0.0 | +1.00 (`trees`) | met |"
    ]


def test_no_goal_is_judged_before_its_runs_are_done(metrics: Path) -> None:
    runs = [run for run in HERE.runs(metrics) if run["refiner"] == "trees"]
    assert goals(HERE, runs).splitlines()[2:] == [
        "| worst gain over the best free method, at least +0.0 | not all runs are done |  |"
    ]


def test_a_run_stands_with_its_best_free_method_and_the_gains_over_it(metrics: Path) -> None:
    lines = runs_table(HERE, HERE.runs(metrics)).splitlines()
    assert lines[0] == "| data set | base model | seed | test | base | best free | `prn` | `trees` | oracle |"
    assert lines[2:] == [
        "| `roads` | `unet` | 0 | 9 | 0.600 | 0.620 TTA | +3.0 [2.0, 4.0] | +2.0 [1.0, 3.0] | 0.800 |",
        "| `cells` | `unet` | 0 | 9 | 0.600 | 0.620 TTA | \N{MINUS SIGN}1.0 [\N{MINUS SIGN}2.0, 0.0] |  | 0.800 |",
    ]


@pytest.mark.parametrize(("gflop", "expected"), [(1.5, 1), (6.0, 4)])
def test_passes_of_a_network_in_place_of_the_base_model_are_its_own(gflop: float, expected: int) -> None:
    assert passes({"cost": {"base": {"gflop": 1.5}, "refiner": {"gflop": gflop, "base_passes": -1}}}) == expected


def test_the_network_of_the_base_model_costs_its_training_alone() -> None:
    assert training_seconds({"seconds": {"base_training": 9, "prn_training": 5}}) == 5


def test_what_is_between_two_marks_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text("before\n<!-- here: begin -->\nstale\n<!-- here: end -->\nafter\n")
    for _ in range(2):  # a second time changes nothing
        replace_mark(page, "here", "new")
        assert page.read_text() == "before\n<!-- here: begin -->\nnew\n<!-- here: end -->\nafter\n"
    page.write_text("mine")
    with pytest.raises(ValueError, match="put them where the tables belong"):
        replace_mark(page, "here", "new")
    assert page.read_text() == "mine"


def test_the_page_says_what_the_committed_scores_say() -> None:
    text = (PROJECT / PAGE).read_text()
    for mark, section in sections(PROJECT / RESULTS).items():
        page = (PROJECT / README).read_text() if mark == HEADLINE else text
        assert f"<!-- {mark}: begin -->\n{section}\n<!-- {mark}: end -->" in page, "run benchmarks.results_page"
    assert text.index(EXPECTATIONS) < min(text.index(f"{one.mark}: begin") for one in SITUATIONS)


@pytest.mark.parametrize(
    "situation", [one for one in SITUATIONS if one.mark != "domain-shift"], ids=lambda one: one.mark
)
def test_every_name_of_a_situation_has_settings(situation: Situation) -> None:
    seen: set[str] = set()
    for dataset, base_model, refiner, _ in situation.names():
        names = {dataset, base_model, refiner}
        if not names <= seen:  # each name once, because loading takes a while
            run = load(dataset=dataset, base_model=base_model, refiner=refiner)["run"]
            assert run["names"]["refiner"] == refiner
            seen |= names
    assert len(seen) > 3


def test_committed_scores_name_no_folder_of_the_machine_that_made_them() -> None:
    texts = {
        text for file in (PROJECT / RESULTS).rglob("*.json") for text in re.findall(r'"([^"]*)"', file.read_text())
    }
    assert "isnet_512" in texts
    assert not [text for text in texts if re.search(r"(^|\s)(/\w+){2}|[A-Z]:\\", text)]
