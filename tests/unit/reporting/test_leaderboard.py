"""The leaderboard agrees with the scores, and claims nothing that is not known."""

import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import rankdata

from prn_pipeline.data.store.checksums import with_checksum
from prn_pipeline.reporting.leaderboard import make_leaderboard, read_runs, terminal
from prn_pipeline.reporting.leaderboard.estimates import over_seeds
from prn_pipeline.reporting.leaderboard.finding import mean_gain, over_base, over_best_free
from prn_pipeline.reporting.leaderboard.formats import WIDE, rounded
from prn_pipeline.reporting.leaderboard.matrix import Cell, matrix
from prn_pipeline.reporting.leaderboard.mixed import mixed_settings
from prn_pipeline.reporting.leaderboard.ranks import comparable_scores, critical_difference, rank_methods
from prn_pipeline.reporting.leaderboard.standings import Standing, standings
from tests.unit.reporting.leaderboard_runs import benchmark, failed, scores

FOLDER = Path("/project/data/08_reporting/leaderboard")


def standing(found: list[Standing], method: str) -> Standing:
    return next(one for one in found if one.method == method)


def test_a_refiner_is_the_mean_over_its_seeds_against_the_best_free_method() -> None:
    found = standings(benchmark(("drive",), ("fpn",)))
    prn = standing(found, "prn")
    assert [one.method for one in found] == [
        "base",
        "tuned_threshold",
        "rankseg",
        "tta",
        "prn",
        "bias_field",
        "patch_oracle",
    ]
    assert prn.seeds == (0, 1)
    assert prn.iou.mean == pytest.approx(0.655)
    assert prn.gain.mean == pytest.approx(0.055)
    assert (prn.best_free, prn.best_free_gain.mean) == ("tta", pytest.approx(0.035))
    assert prn.images_worse == 25
    assert (prn.parameters, prn.gflop, prn.milliseconds) == (1_500_000, 4 + 3 * 6, 60 + 3 * 50)
    assert standing(found, "tta").gain.mean == pytest.approx(0.02)


def test_the_interval_is_as_wide_as_that_of_images_and_seeds_together() -> None:
    """Against draws: each seed has its own offset, all see the same images; two seeds give narrow intervals."""
    draw = np.random.default_rng(0)
    for image_error, seed_error, seeds in ((0.01, 0.03, 2), (0.03, 0.01, 2), (0.01, 0.03, 4)):
        means = draw.normal(0, image_error, (3000, 1)) + draw.normal(0, seed_error, (3000, seeds))
        half = 1.96 * image_error
        ends = [over_seeds([(value, (value - half, value + half)) for value in values]) for values in means]
        assert 0.88 < np.mean([low <= 0 <= high for _, low, high in ends]) <= 0.99
    exact = over_seeds([(0.5, (0.45, 0.55))])
    assert exact == pytest.approx((0.5, 0.45, 0.55))


def test_scores_without_costs_or_baselines_gains_leave_dashes() -> None:
    (run,) = benchmark(("drive",), ("fpn",), ("prn",), (0,))
    bare = json.loads(json.dumps(run.scores))
    del bare["cost"]
    for method in bare["methods"].values():
        del method["vs_base"], method["images_worse_pct"]
    found = standings([type(run)(run.names, scores=bare)])
    assert math.isnan(standing(found, "prn").milliseconds)
    assert standing(found, "prn").gain.mean == pytest.approx(0.05)
    assert math.isnan(standing(found, "tta").gain.mean)


def test_the_matrix_compares_refiners_with_the_best_free_method_of_each_row() -> None:
    runs = benchmark(("drive", "roads"), ("fpn",), ("prn", "bias_field"), (0,))
    refiners, rows = matrix(standings(runs[:-1]))
    assert refiners == ["prn", "bias_field"]
    drive, roads = rows
    assert (drive.dataset, drive.base_model, drive.base, drive.free) == ("drive", "fpn", "0.600", "TTA (flips)")
    assert drive.cells[0] == Cell("+2.0")
    assert drive.cells[1] == Cell("+5.0", largest=True, outcome="better")
    assert roads.cells[2] == Cell("\N{EN DASH}"), "not run there"


def test_a_refiner_below_the_best_free_method_is_marked_and_too_few_images_are_not() -> None:
    runs = benchmark(("drive", "roads"), ("fpn",), ("prn",), (0,))
    for run, units in zip(runs, (40, 4), strict=True):
        worse = scores(-0.01) | {"n_independent": units}
        run.scores.update(worse)  # type: ignore[union-attr]
    _, rows = matrix(standings(runs))
    assert [row.cells[1].outcome for row in rows] == ["worse", ""]
    assert all(row.cells[0].largest for row in rows)


def test_passes_of_a_base_model_of_unknown_cost_leave_dashes() -> None:
    runs = benchmark(("drive",), ("wnet_flips",), ("prn",), (0,))
    runs[0].scores["cost"]["base"] = None  # type: ignore[index]
    prn = standing(standings(runs), "prn")
    assert math.isnan(prn.milliseconds)
    assert math.isnan(prn.gflop)
    assert prn.parameters == 1_500_000
    made = make_leaderboard(runs, FOLDER, {})
    assert "1.5 M" in made.html


def test_seeds_with_different_settings_are_named() -> None:
    runs = benchmark(("drive", "roads"), ("fpn",))
    assert mixed_settings(runs) == []  # older scores without digests of settings
    for run in runs:
        run.scores["settings"] = {"base_model": "a", "refiner": run.names["refiner"]}  # type: ignore[index]
    assert make_leaderboard(runs, FOLDER, {}).mixed == []
    runs[1].scores["settings"]["refiner"] = "changed"  # type: ignore[index]
    runs[-1].scores["settings"]["base_model"] = "changed"  # type: ignore[index]
    made = make_leaderboard(runs, FOLDER, {})
    assert made.mixed == ["drive/fpn/prn", "roads/fpn"]
    assert "Averaged over runs with different settings: drive/fpn/prn, roads/fpn." in made.html


def test_a_seed_without_a_method_does_not_hide_the_others() -> None:
    runs = benchmark(("drive",), ("fpn",), ("prn",))
    del runs[1].scores["methods"]["tta"]  # type: ignore[index,union-attr]
    found = standings(runs)
    assert standing(found, "tta").seeds == (0,)
    assert standing(found, "prn").seeds == (0, 1)


def test_the_headline_compares_refiners_on_the_same_pairs() -> None:
    runs = [run for run in benchmark() if run.names["refiner"] == "prn" or run.names["dataset"] == "drive"]
    for run in runs:
        if run.names["refiner"] == "bias_field":
            run.scores["gain"]["vs_best_free"]["iou_micro"] = 0.3  # type: ignore[index]
    assert "prn: +3.5 points" in make_leaderboard(runs, FOLDER, {}).html


def test_ranks_are_those_of_every_data_set_averaged() -> None:
    draw = np.random.default_rng(1)
    table = {f"set{i}": {f"m{j}": float(draw.random()) for j in range(5)} for i in range(8)}
    values = np.array([list(of_set.values()) for of_set in table.values()])
    expected = np.mean([rankdata(-row) for row in values], axis=0)
    found = rank_methods(table)
    assert {name: found.ranks[name] for name in sorted(found.ranks)} == pytest.approx(
        {f"m{j}": expected[j] for j in range(5)}
    )
    assert list(found.ranks.values()) == sorted(found.ranks.values())


@pytest.mark.parametrize(("methods", "q"), [(2 + 1, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_demsars_table(methods: int, q: float) -> None:
    assert critical_difference(6, methods) == pytest.approx(q * math.sqrt(methods * (methods + 1) / 36), abs=2e-3)


def test_methods_that_chance_could_swap_are_joined_in_longest_runs() -> None:
    table = {f"set{i}": {"a": 9, "b": 8, "c": 7, "d": 1} for i in range(30)}
    found = rank_methods(table)  # critical difference 0.86: all four differ
    assert found.alike == []
    assert found.p < 1e-6
    few = rank_methods(dict(list(table.items())[:3]))  # 2.71: neighbours within it are alike
    assert few.p < 0.05
    assert few.alike == [("a", "c"), ("b", "d")]
    same = rank_methods({f"set{i}": {"a": i % 2, "b": i % 3, "c": i % 5} for i in range(6)})
    assert same.p > 0.05
    assert math.isnan(same.critical_difference), "no difference to look for"
    assert same.alike == [(next(iter(same.ranks)), list(same.ranks)[-1])], "one bar joins all of them"


def test_too_few_data_sets_are_ranked_but_not_tested() -> None:
    found = rank_methods({"one": {"a": 1, "b": 0}, "two": {"a": 1, "b": 2}})
    assert found.ranks == {"a": 1.5, "b": 1.5}
    assert math.isnan(found.p)
    assert math.isnan(found.critical_difference)
    assert rank_methods({}).ranks == {}


def test_only_methods_that_every_data_set_has_are_ranked() -> None:
    assert set(rank_methods({"one": {"a": 1, "b": 0, "c": 3}, "two": {"a": 1, "b": 2}}).ranks) == {"a", "b"}


def test_only_the_same_seeds_of_the_same_base_models_are_compared() -> None:
    """The base model of seed 0 is much better: a method without seed 1 must not be ahead for that."""
    scores_of = {"base": {0: 0.8, 1: 0.6}, "a": {0: 0.82, 1: 0.62}, "b": {0: 0.8}}
    found = [(dataset, "fpn", method, scores_of[method]) for dataset in ("one", "two") for method in scores_of]
    table, left_out = comparable_scores(found)
    assert table["one"] == {"base": 0.8, "a": 0.82, "b": 0.8}
    assert left_out == ()

    table, left_out = comparable_scores([*found, ("three", "fpn", "base", {0: 0.5}), ("three", "fpn", "a", {0: 0.7})])
    assert table["three"] == {"base": 0.5, "a": 0.7}
    assert table["one"] == pytest.approx({"base": 0.7, "a": 0.72}), "all seeds again, without the one that lacks some"
    assert left_out == ("b",)

    table, left_out = comparable_scores([("one", "fpn", "a", {0: 0.5, 1: 0.5}), ("one", "fpn", "b", {2: 0.9})])
    assert (table, left_out) == ({"one": {"a": 0.5}}, ("b",))
    assert comparable_scores([]) == ({}, ())


def test_methods_left_out_of_the_ranking_are_named() -> None:
    runs = [run for run in benchmark() if run.names["refiner"] == "prn" or run.names["dataset"] == "drive"]
    html = make_leaderboard(runs, FOLDER, {}).html
    assert "Not ranked, because they lack some of the data sets, base models or seeds: bias_field." in html
    assert "Not ranked" not in make_leaderboard(benchmark(), FOLDER, {}).html


def test_the_headline_names_no_winner_of_a_ranking_without_its_refiner() -> None:
    lacking = [("drive", "prn"), ("roads", "bias_field")]
    runs = [run for run in benchmark() if (run.names["dataset"], run.names["refiner"]) not in lacking]
    html = make_leaderboard(runs, FOLDER, {}).html
    assert "+5.5 points [4.1, 6.9] over the base model; means over 4 pairs of data set and base model." in html
    assert "significantly best" not in html


def test_the_mean_gain_is_no_surer_for_more_base_models_on_the_same_images() -> None:
    one, two = (standings(benchmark(base_models=names, seeds=(0,))) for names in (("fpn",), ("fpn", "unet")))
    for gain in (over_base, over_best_free):
        assert mean_gain(two, "prn", gain) == pytest.approx(mean_gain(one, "prn", gain))
    (drive,) = standings(benchmark(("drive",), ("fpn",), ("prn",), (0,)))[4:5]
    half = drive.gain.high - drive.gain.mean
    mean = mean_gain(one, "prn", over_base)
    assert mean.high - mean.mean == pytest.approx(half / 3**0.5), "three data sets"


def test_a_method_that_only_some_refiners_runs_have_is_shown() -> None:
    """The table of methods has grown, and not all runs have been evaluated again."""
    runs = benchmark(("drive",), ("fpn",), seeds=(0,))
    del runs[-1].scores["methods"]["tta"]  # type: ignore[index,union-attr]
    assert standing(standings(runs), "tta").seeds == (0,)


@pytest.mark.parametrize(("gain", "outcome"), [(0.05, "better"), (0.001, "same"), (-0.05, "worse")])
def test_the_headlines_frame_has_the_outcome_of_the_headlines_refiner(gain: float, outcome: str) -> None:
    runs = benchmark(refiners=("prn",), seeds=(0,))
    for number, run in enumerate(runs):
        found = 0.03 if number == 0 and gain < 0 else gain
        run.scores["gain"]["vs_best_free"] |= {"iou_micro": found, "ci95": [found - 0.01, found + 0.01]}  # type: ignore[index]
    assert f'class="card finding {outcome}"' in make_leaderboard(runs, FOLDER, {}).html


def test_a_method_is_called_best_only_where_the_test_of_ranks_supports_it() -> None:
    few = make_leaderboard(benchmark(("drive", "roads")), FOLDER, {})
    assert few.ranking.best is None
    assert "No method is significantly best: ranks need at least 3 data sets." in few.html
    some = make_leaderboard(benchmark(), FOLDER, {})
    assert some.ranking.best is None, "first by a margin below the critical difference"
    assert "No method is significantly best by average rank." in some.html
    for made in (few, some):
        assert "has the best" not in made.html
    many = {f"set{number}": {"a": 0.9, "b": 0.5 + number % 2, "c": 0.6 - number % 2} for number in range(40)}
    many = {name: of_set | {"a": 2.0} for name, of_set in many.items()}
    ranking = rank_methods(many)
    assert ranking.best == "a"
    close = {name: of_set | {"d": 2.0 + (-0.1) ** number} for number, (name, of_set) in enumerate(many.items())}
    assert rank_methods(close).best is None, "the second is as good"
    assert rank_methods(close).p < 0.05


def test_median_and_mean_over_data_sets_stand_beside_the_mean() -> None:
    runs = benchmark(refiners=("prn",), seeds=(0,), base_models=("fpn",))
    runs += benchmark(("drive",), ("unet",), ("prn",), (0,))
    runs[0].scores["gain"]["vs_best_free"] |= {"iou_micro": 0.31}  # type: ignore[index]
    html = make_leaderboard(runs, FOLDER, {}).html
    assert "prn: +10.0 points" in html  # of 31, 3, 3 and 3
    assert "the median is +3.0 points and the mean over 3 data sets +7.7." in html


def test_a_base_model_that_predicts_nothing_is_a_warning_and_no_finding() -> None:
    runs = benchmark(refiners=("prn",), seeds=(0,))
    runs[0].scores["base_predicts"] = "nothing"  # type: ignore[index]
    runs[0].scores["gain"]["vs_best_free"] |= {"iou_micro": 0.9}  # type: ignore[index]
    made = make_leaderboard(runs, FOLDER, {})
    assert made.warnings == [
        "Base models that do not work: drive/fpn predicts nothing. Finding and ranking leave them out."
    ]
    assert "prn: +3.0 points" in made.html
    assert "means over 5 pairs" in made.html
    for run in runs:
        run.scores["base_predicts"] = "nothing"  # type: ignore[index]
    alone = make_leaderboard(runs, FOLDER, {})
    assert "No claim: see the warnings about the base models." in alone.html
    assert 'class="card finding unknown"' in alone.html


def test_maps_that_may_be_misread_are_a_warning_and_no_finding() -> None:
    runs = benchmark(refiners=("prn",), seeds=(0,))
    runs[0].scores["doubted_maps"] = True  # type: ignore[index]
    runs[0].scores["gain"]["vs_best_free"] |= {"iou_micro": 0.9}  # type: ignore[index]
    made = make_leaderboard(runs, FOLDER, {})
    assert made.warnings == [
        "Base models whose maps may be misread, as their reports say: drive/fpn. Finding and ranking leave them out."
        " If the maps are right, turn their check off with `check: skip`, and run again."
    ]
    assert "prn: +3.0 points" in made.html
    assert "means over 5 pairs" in made.html
    assert "its maps may be misread" in made.html
    runs[0].scores["base_predicts"] = "nothing"  # type: ignore[index]
    assert [text.split(":")[0] for text in make_leaderboard(runs, FOLDER, {}).warnings] == [
        "Base models that do not work"
    ]


def test_too_few_independent_test_images_are_no_claim_and_no_part_of_the_finding() -> None:
    runs = benchmark(refiners=("prn",), seeds=(0,))
    for run in runs[:2]:
        run.scores["gain"]["vs_best_free"] |= {"iou_micro": 0.9, "ci95": [0.8, 1.0]}  # type: ignore[index]
        run.scores.update({"n_test": 60, "n_independent": 5})  # type: ignore[union-attr]
    made = make_leaderboard(runs, FOLDER, {})
    assert made.warnings == [
        "Data sets with fewer than 6 independent test images or groups, which can show no difference: drive (5). The"
        " finding leaves them out."
    ]
    assert "prn: +3.0 points" in made.html
    assert "means over 4 pairs" in made.html
    assert "drive" in made.ranking.datasets, "the test of ranks counts data sets, not images"
    assert "+90.0" in made.markdown, "the table still has what was measured"
    for run in runs:
        run.scores.update({"n_test": 2, "n_independent": 2})  # type: ignore[union-attr]
    alone = make_leaderboard(runs, FOLDER, {})
    assert "No claim: no data set has the 6 independent test images or groups" in alone.html
    assert 'class="card finding unknown"' in alone.html
    for run in runs:
        run.scores.update({"n_test": 6, "n_independent": 6})  # type: ignore[union-attr]
    assert 'class="card finding better"' in make_leaderboard(runs, FOLDER, {}).html


def test_base_models_that_were_still_improving_are_named() -> None:
    runs = benchmark(refiners=("prn",))
    for run in runs[:3]:
        run.scores["base_training"] = {"epochs": 6, "converged": False}  # type: ignore[index]
    made = make_leaderboard(runs, FOLDER, {})
    assert made.warnings == [
        "Base models that were still improving when their training ended, which flatters every gain over them:"
        " drive/fpn (seed 0, 1), drive/unet (seed 0)."
    ]
    assert all(warning in made.html for warning in made.warnings)


def test_a_mean_gain_that_costs_wrong_pixels_is_not_better() -> None:
    runs = benchmark(refiners=("prn",), seeds=(0,))
    for run in runs:
        run.scores["gain"]["vs_best_free"]["wrong_pixels"] = 500  # type: ignore[index]
    html = make_leaderboard(runs, FOLDER, {}).html
    assert 'class="card finding mixed"' in html
    assert "It gets 3,000 more pixels wrong than the best free methods." in html
    for run in runs:
        run.scores["gain"]["vs_best_free"]["wrong_pixels"] = -500  # type: ignore[index]
    assert 'class="card finding better"' in make_leaderboard(runs, FOLDER, {}).html


def test_milliseconds_under_load_are_marked_everywhere() -> None:
    runs = benchmark(("drive",), ("fpn",), ("prn",), (0,))
    quiet = make_leaderboard(runs, FOLDER, {})
    assert "210.0 |" in quiet.markdown
    runs[0].scores["cost"]["base"]["under_load"] = True  # type: ignore[index]
    made = make_leaderboard(runs, FOLDER, {})
    assert "210.0* |" in made.markdown
    assert "50.0* |" in made.markdown
    assert made.warnings == ["Milliseconds with * were measured while other processes used the same processors."]
    assert pd.read_csv(pd.io.common.StringIO(made.csv)).under_load.sum() == 2


def test_the_page_links_reports_relatively_and_names_every_method_and_failure() -> None:
    runs = benchmark()
    runs[3] = failed(runs[3], "weights <b>are</b> not finite")
    made = make_leaderboard(runs, FOLDER, {"git commit": "abc"})
    assert "over the base model; means over 6 pairs of data set and base model." in made.html
    assert 'href="../drive/fpn/prn/seed-0/report.html"' in made.html
    assert "weights &lt;b&gt;are&lt;/b&gt; not finite" in made.html
    assert "drive/fpn/bias_field/seed-1" in made.html
    assert not re.findall(r'(?:src|href)="(?!data:|#|\.\./)[^"]*"', made.html), "nothing comes from elsewhere"
    assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img[^>]*>", made.html))
    assert {run.state for run in made.unscored} == {"failed"}


def test_a_benchmark_without_any_scores_says_so() -> None:
    runs = [type(run)(run.names) for run in benchmark()]
    made = make_leaderboard(runs, FOLDER, {})
    assert "No run has scores yet." in made.html
    assert f"{len(runs)} not run" in made.html
    assert len(made.unscored) == len(runs)


def test_csv_and_markdown_hold_one_row_per_standing() -> None:
    made = make_leaderboard(benchmark(), FOLDER, {})
    table = pd.read_csv(pd.io.common.StringIO(made.csv))
    assert len(table) == len(made.standings) == 3 * 2 * 7
    row = table[(table.dataset == "roads") & (table.base_model == "unet") & (table.method == "prn")].iloc[0]
    assert row.gain_points == pytest.approx(5.5)
    assert made.markdown.count("\n") == len(table) + 2
    assert (
        "| `roads` | `unet` | **prn** | 2 | 0.655 ± 0.023 | +3.5 ± 2.0 | +5.5 ± 2.0 | 25 | 1.5 M | 22.00 | 210.0 |"
        in made.markdown
    )


@pytest.mark.parametrize(("width", "costs"), [(80, False), (WIDE - 1, False), (WIDE, True), (140, True)])
def test_the_terminal_gets_what_fits(width: int, costs: bool) -> None:
    made = make_leaderboard(benchmark(("drive",), ("fpn",)), FOLDER, {})
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal(made.standings, width))
    text = console.export_text()
    assert ("1.5 M" in text) == costs
    assert "+5.5 ± 2.0" in text
    assert "…" not in text


def test_a_long_name_takes_two_lines_and_no_digit_from_the_numbers() -> None:
    standings = make_leaderboard(benchmark(("drive",), ("fpn",)), FOLDER, {}).standings
    long = [replace(one, method="components_tuned") if one.method == "base" else one for one in standings]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(terminal(long, 80))
    text = console.export_text()
    assert "…" not in text
    assert "removed, tuned" in text


@pytest.mark.parametrize(("count", "text"), [(7.0, "7"), (58_000.0, "58 k"), (999_600.0, "1.0 M"), (math.nan, "–")])
def test_large_numbers_are_rounded(count: float, text: str) -> None:
    assert rounded(count) == text


def test_runs_are_read_with_their_scores_failures_and_reports(tmp_path: Path) -> None:
    names = [{"dataset": "a", "base_model": "b", "refiner": refiner, "seed": 0} for refiner in ("prn", "other")]
    (tmp_path / "metrics/a/b/prn").mkdir(parents=True)
    (tmp_path / "metrics/a/b/prn/seed-0.json").write_text(json.dumps(scores(0.1)))
    reports = tmp_path / "data/08_reporting"
    (reports / "a/b/prn/seed-0").mkdir(parents=True)
    (reports / "a/b/prn/seed-0/report.html").write_text("")
    done, missing = read_runs(names, tmp_path)
    assert (done.state, missing.state) == ("done", "missing")
    assert done.path == "a/b/prn/seed-0"
    assert done.report == reports / "a/b/prn/seed-0/report.html"
    (reports / "a/b/seed-0").mkdir()
    (reports / "a/b/seed-0/failure.json").write_text('{"stage": "base_training", "message": "no memory"}')
    assert {run.state for run in read_runs(names, tmp_path)} == {"failed"}, "their base model has failed"


def bad_scores() -> dict[str, Any]:
    good = scores(0.1)
    base = {"iou_micro": 0.6, "iou_micro_ci95": [0.5, 0.7]}
    return {
        "": r"seed-0\.json is empty",
        "{": r"seed-0\.json is not JSON",
        "[1]": "holds a list, expected an object",
        json.dumps(with_checksum(good)).replace("0.02", "0.03"): "does not match its checksum",
        json.dumps({key: value for key, value in good.items() if key != "schema"}): "has no schema, expected schema 2",
        json.dumps({"schema": 2}): "has no n_test, methods, gain",
        json.dumps(good | {"methods": {"base": {"iou_micro": 0.6}}}): "has no methods.base.iou_micro_ci95",
        json.dumps(good | {"methods": {"base": base | {"iou_micro": 1.6}}}): r"methods.base.iou_micro = 1.6.* 0 to 1",
        json.dumps(good | {"methods": {"base": base | {"iou_micro": "0.6"}}}): "should be a valid number",
        json.dumps(good | {"n_test": 0}): "n_test = 0",
        json.dumps(good | {"refiner": "other"}): r"scores of another run, \{'refiner': 'other'\}",
    }


@pytest.mark.parametrize(("text", "message"), bad_scores().items())
def test_a_bad_scores_file_is_named_and_does_not_stop_the_leaderboard(tmp_path: Path, text: str, message: str) -> None:
    names = [{"dataset": "a", "base_model": "b", "refiner": "prn", "seed": seed} for seed in (0, 1)]
    (tmp_path / "metrics/a/b/prn").mkdir(parents=True)
    (tmp_path / "metrics/a/b/prn/seed-0.json").write_text(text)
    (tmp_path / "metrics/a/b/prn/seed-1.json").write_text(json.dumps(scores(0.1)))
    bad, good = read_runs(names, tmp_path)
    assert (bad.state, good.state) == ("failed", "done")
    assert bad.failure is not None
    assert re.search(message, bad.failure["message"])
    assert str(tmp_path / "metrics/a/b/prn/seed-0.json") in bad.failure["message"]
    assert "run" in bad.failure["message"], "it names the remedy"
    made = make_leaderboard([bad, good], tmp_path, {})
    assert [run.path for run in made.unscored] == ["a/b/prn/seed-0"]
    assert made.standings


def test_a_damaged_record_of_a_failure_does_not_stop_the_leaderboard(tmp_path: Path) -> None:
    folder = tmp_path / "data/08_reporting/a/b/prn/seed-0"
    folder.mkdir(parents=True)
    for text in ("", "{", '{"stage": "evaluation"}'):
        (folder / "failure.json").write_text(text)
        (run,) = read_runs([{"dataset": "a", "base_model": "b", "refiner": "prn", "seed": 0}], tmp_path)
        assert run.failure is not None
        assert re.search("failure.json is damaged: delete it", run.failure["message"])
