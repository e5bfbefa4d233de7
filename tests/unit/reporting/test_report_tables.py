"""The numbers in the tables are the numbers of the scores."""

import math
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from prn_pipeline.reporting import score_tables, tables
from prn_pipeline.reporting.inputs import Report, ReportInputs
from prn_pipeline.reporting.key_numbers import key_numbers
from prn_pipeline.reporting.wording import duration, fixed, p_value

RUN = {"dataset": "d", "base_model": "m", "refiner": "prn", "seed": 0}
LABELS = {
    "Base model": "base",
    "One tuned threshold": "tuned_threshold",
    "RankSEG": "rankseg",
    "PRN": "refined",
    "Patch oracle": "patch_oracle",
}
METRICS = ["iou_micro", "iou_macro", "dice", "precision", "recall", "boundary_iou", "mae"]


def rows_of(html: str, table: str) -> dict[str, str]:
    """Row label -> HTML of the row's cells, of the body of one table."""
    body = re.search(rf'<table class="{table}">.*?<tbody>(.*?)</tbody>', html, re.S)
    assert body
    rows = re.findall(r'<tr[^>]*>\s*<th scope="row">(.*?)</th>(.*?)</tr>', body[1], re.S)
    return {unescape(label): cells for label, cells in rows}


def test_scores_table_holds_the_scores_in_full_and_rounded(full_inputs: ReportInputs, full_report: Report) -> None:
    rows = rows_of(full_report.html, "scores")
    assert list(rows) == list(LABELS)
    for label, method in LABELS.items():
        expected = full_inputs.scores["methods"][method]
        cells = re.findall(r'<data class="\w*" value="([^"]*)">([^<]*)</data>', rows[label])
        assert [float(value) for value, _ in cells] == [expected[metric] for metric in METRICS]
        assert [text for _, text in cells] == [f"{expected[metric]:.3f}" for metric in METRICS]
        low, high = expected["iou_micro_ci95"]
        assert f"<small>[{low:.3f}, {high:.3f}]</small>" in rows[label]


def test_best_value_is_marked_among_methods_that_do_not_see_the_truth(
    full_inputs: ReportInputs, full_report: Report
) -> None:
    methods = full_inputs.scores["methods"]
    contenders = [name for name in methods if name != "patch_oracle"]
    winners = {metric: max(contenders, key=lambda name: methods[name][metric]) for metric in METRICS[:-1]}
    winners["mae"] = min(contenders, key=lambda name: methods[name]["mae"])
    rows = rows_of(full_report.html, "scores")
    assert list(rows) == list(LABELS)
    for label, cells in rows.items():
        marks = re.findall(r'<data class="(\w*)"', cells)
        assert [mark == "best" for mark in marks] == [winners[metric] == LABELS[label] for metric in METRICS]


def test_measures_of_saliency_have_a_table_of_their_own() -> None:
    methods = {
        "base": {"dice": 0.7, "f_max": 0.6, "e_mean": 0.5},
        "refined": {"dice": 0.7, "f_max": 0.8, "e_mean": 0.4},
    }
    columns = score_tables.saliency_columns(methods)
    assert columns == {"f_max": "max F", "e_mean": "mean E"}
    rows = score_tables.score_rows(RUN, methods, columns)
    assert [[(cell.text, cell.best) for cell in row.entries] for row in rows] == [
        [("0.600", False), ("0.500", True)],
        [("0.800", True), ("0.400", False)],
    ]
    assert score_tables.score_columns(methods) == {"dice": "Dice"}
    assert not score_tables.saliency_columns({"base": {"dice": 0.7}})


def test_classes_have_a_table_with_the_refiners_gain() -> None:
    def one(iou: float, gain: float) -> dict[str, Any]:
        return {"iou": iou, "ci95": [iou - 0.1, iou + 0.1], "vs_base": {"iou_micro": gain, "ci95": [gain, gain]}}

    methods = {
        "base": {"classes": {"sky": one(0.5, 0.0), "road": one(0.9, 0.0)}},
        "refined": {"classes": {"sky": one(0.6, 0.1), "road": one(0.8, -0.1)}},
        "patch_oracle": {"dice": 1.0},
    }
    assert list(score_tables.class_columns(RUN, methods)) == ["base", "refined", "gain"]
    rows = score_tables.class_rows(RUN, methods)
    assert [(row.label, [cell.text for cell in row.entries]) for row in rows] == [
        ("sky", ["0.500", "0.600", "+10.0"]),
        ("road", ["0.900", "0.800", "−10.0"]),
    ]
    assert [[cell.best for cell in row.entries] for row in rows] == [[False, True, False], [True, False, False]]
    assert score_tables.class_rows(RUN, {"base": {"dice": 1.0}}) == []


def test_values_equal_in_print_share_the_mark() -> None:
    rows = score_tables.score_rows(
        RUN, {"base": {"dice": 0.70004}, "refined": {"dice": 0.70041}, "rankseg": {"dice": 0.6}}
    )
    assert {row.label: row.entries[0].best for row in rows} == {"Base model": True, "RankSEG": False, "PRN": True}


def test_an_unknown_metric_and_method_get_their_place() -> None:
    methods = {"refined": {"iou_micro": 0.5, "max_f": 0.9}, "own_method": {"iou_micro": 0.4, "iou_micro_ci95": None}}
    assert score_tables.score_columns(methods) == {"iou_micro": "IoU micro", "max_f": "max f"}
    rows = score_tables.score_rows(RUN, methods)
    assert [row.label for row in rows] == ["PRN", "own method"]
    assert [cell.text for cell in rows[1].entries] == ["0.400", "–"]


def test_gains_are_points_with_interval_and_reading(full_report: Report) -> None:
    rows = rows_of(full_report.html, "gains")
    text = {label: [unescape(cell) for cell in re.findall(r">([^<>]+)</td>", cells)] for label, cells in rows.items()}
    assert text == {
        "Base model": ["+1.1", "[0.4, 1.9]", "< 0.001", "better"],
        "One tuned threshold": ["+0.9", "[0.1, 1.7]", "0.021", "better"],
        "RankSEG": ["+1.3", "[0.4, 2.0]", "–", "better"],
    }


def test_the_share_of_the_bound_is_how_far_the_refiner_went_towards_the_oracle(
    make_scores: Callable[..., dict[str, Any]],
) -> None:
    methods = make_scores(0.0603, None)["methods"]
    methods["refined"]["iou_micro"] = (0.8214 + 0.7008) / 2
    assert tables.share_of_bound(methods, "patch_oracle") == "50 %"
    assert tables.share_of_bound({"base": {"iou_micro": 0.5}, "refined": {"iou_micro": 0.6}}, "patch_oracle") == "–"


def test_a_refiner_above_the_oracle_went_no_share_of_the_way(make_scores: Callable[..., dict[str, Any]]) -> None:
    scores = make_scores(0.0603, None)
    oracle = scores["methods"]["patch_oracle"]["iou_micro"]
    scores["methods"]["refined"]["iou_micro"] = oracle + 0.012
    assert key_numbers(scores)["points above the patch oracle"] == "+1.2"
    assert not any(label.startswith("of the way") for label in key_numbers(scores))


def test_timings_keep_their_order_and_share_the_whole() -> None:
    rows = tables.timing_rows(
        {"ingestion": 10, "prn_training": 30.0, "reporting": None}, {"ingestion": 850, "prn_training": 1434.4}
    )
    assert [(row.stage, row.text, row.share, row.memory) for row in rows] == [
        ("Ingestion", "10 s", 25.0, "850 MiB"),
        ("PRN training", "30 s", 75.0, "1.4 GiB"),
        ("Reporting", "–", 0.0, "–"),
    ]


def test_nested_settings_become_dotted_names() -> None:
    settings = {"a": {"b": {"c": 8e-4}, "d": None}, "e": [1, True], "f": {}}
    assert dict(tables.setting_rows(settings)) == {"a.b.c": "0.0008", "a.d": "none", "e": "[1, true]", "f": "{}"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0112, "+0.011"), (-0.5, "−0.500"), (-0.0001, "0.000"), (0.0, "0.000"), (None, "–"), (math.nan, "–")],
)
def test_signed_numbers_have_a_true_minus_and_zero_has_no_sign(value: float | None, text: str) -> None:
    assert fixed(value, signed=True) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0.0, "< 0.001"), (0.0009, "< 0.001"), (0.0217, "0.022")])
def test_p_values(value: float | None, text: str) -> None:
    assert p_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (415, "6 min 55 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_carry_over(seconds: float, text: str) -> None:
    assert duration(seconds) == text
