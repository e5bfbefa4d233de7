"""The section on labelled images: there where a curve was measured, and true to it."""

import copy
import io
from typing import Any

import pytest
from matplotlib.colors import to_hex
from rich.console import Console

from prn_pipeline.commands.curve_table import curve_tables
from prn_pipeline.reporting.figures.label_curve import gain_curves, label_curve_png
from prn_pipeline.reporting.inputs import ReportInputs
from prn_pipeline.reporting.label_curve import COLUMNS, curve_rows, forecast_rows, label_section, left_out_sentences
from prn_pipeline.reporting.report import render_report
from prn_pipeline.reporting.theme import LIGHT

RUN = {"dataset": "drive", "base_model": "wnet", "refiner": "trees", "seed": 0}


def size(images: int, gain: float, ci95: list[float] | None) -> dict[str, Any]:
    over_free = {"method": "tuned_threshold", "iou_micro": gain - 0.01, "ci95": [gain - 0.02, gain]}
    return {
        "size": images,
        "images": float(images),
        "seconds": 2.5,
        "vs_base": {"iou_micro": gain, "ci95": ci95, "of_draws": [gain]},
        "vs_best_free": over_free,
    }


def refiner(gain: float) -> dict[str, Any]:
    return {
        "sizes": [size(5, gain / 2, [0.001, 0.02]), size(20, gain, None)],
        "curve": {"limit": 0.05, "drop": 0.1, "exponent": 0.5},
        "forecast": {
            "labelled": 30,
            "gain": 0.0317,
            "ci95": [0.02, 0.04],
            "more": 50,
            "further_gain": 0.0071,
            "further_gain_ci95": [0.0, 0.012],
        },
        "fits": 6,
        "unchanged": 1,
        "left_out": {"3": "has 3 groups, this refiner needs 5"},
    }


@pytest.fixture
def curve() -> dict[str, Any]:
    return {
        "labelled_images": 30,
        "left_out": {"50": "leaves 0 of 30 groups to measure on, 4 are needed"},
        "refiners": {"prn": refiner(0.02), "trees": refiner(0.03)},
    }


def page(curve: dict[str, Any]) -> str:
    return render_report(ReportInputs(RUN, {}, label_curve=curve)).html


def test_a_report_has_a_section_on_labels_only_where_a_curve_was_measured(curve: dict[str, Any]) -> None:
    assert 'id="labels"' not in page({})
    assert "#labels" not in page({})
    found = page(curve)
    assert found.count('id="labels"') == 1
    assert 'href="#labels"' in found
    assert "50 labelled images more than today&#39;s 30 are expected to add +0.7 [0.0, 1.2] points" in found
    assert "labels" in render_report(ReportInputs(RUN, {}, label_curve=curve)).figures


def test_the_runs_own_refiner_comes_first(curve: dict[str, Any]) -> None:
    rows = curve_rows(curve, "trees")
    assert [(row.refiner, row.own) for row in rows] == [("trees", True)] * 2 + [("PRN", False)] * 2
    assert [row.refiner for row in forecast_rows(curve, "trees")] == ["trees", "PRN"]
    assert [row.refiner for row in forecast_rows(curve)] == ["PRN", "trees"]


def test_rows_have_gains_in_points_with_their_intervals(curve: dict[str, Any]) -> None:
    first, second = curve_rows(curve)[:2]
    assert first.cells == ("5", "+1.0 [0.1, 2.0]", "0.0 [−1.0, 1.0]", "tuned", "2.5")
    assert second.cells[1] == "+2.0 –", "no interval where too few resamples had an object"
    assert len(first.cells) == len(COLUMNS)
    assert forecast_rows(curve)[0].cells == ("+3.2 [2.0, 4.0]", "+0.7 [0.0, 1.2]", "1 of 6 fits")


def test_one_size_makes_no_forecast_and_still_a_section(curve: dict[str, Any]) -> None:
    for one in curve["refiners"].values():
        one.update(sizes=one["sizes"][:1], curve=None, forecast=None)
    section = label_section(curve, "prn")
    assert section is not None
    assert section.finding == "PRN was measured at one size, which makes no curve."
    assert section.forecasts[0].cells == ("–", "–", "1 of 6 fits")
    assert "Gain at 30 images" in section.forecast_columns
    assert 'id="labels"' in page(curve)


def test_sizes_that_were_left_out_are_named_with_the_reason(curve: dict[str, Any]) -> None:
    assert list(left_out_sentences(curve)) == [
        "Not measured at 50 images: leaves 0 of 30 groups to measure on, 4 are needed.",
        "PRN not measured at 3 images: it has 3 groups, this refiner needs 5.",
        "trees not measured at 3 images: it has 3 groups, this refiner needs 5.",
    ]


def test_the_figure_has_the_measured_points_and_the_curve_up_to_the_forecast(curve: dict[str, Any]) -> None:
    (axes,) = gain_curves(curve, "trees", LIGHT).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["trees"].get_ydata() == pytest.approx([1.5, 3.0])
    assert lines["PRN"].get_ydata() == pytest.approx([1.0, 2.0])
    assert to_hex(lines["trees"].get_color()) == LIGHT.refiner, "the run's own refiner"
    dotted = [line for line in axes.lines if line.get_linestyle() == ":" and len(line.get_xdata()) > 2]
    assert len(dotted) == 2
    for line in dotted:
        assert (line.get_xdata()[0], line.get_xdata()[-1]) == pytest.approx((20, 80))
        assert line.get_ydata()[-1] == pytest.approx(100 * (0.05 - 0.1 * 80**-0.5))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["5", "20", "30", "80"]


def test_many_refiners_have_a_look_each_and_the_picture_is_the_same_every_time(curve: dict[str, Any]) -> None:
    for number in range(7):
        curve["refiners"][f"r{number}"] = copy.deepcopy(curve["refiners"]["prn"])
    assert label_curve_png(curve) == label_curve_png(curve)


def test_the_terminal_shows_what_the_page_shows(curve: dict[str, Any]) -> None:
    console = Console(width=80, file=io.StringIO(), record=True)
    for part in curve_tables(curve):
        console.print(part)
    shown = console.export_text()
    for text in ("+1.0 [0.1, 2.0]", "+0.7 [0.0, 1.2]", "50 more add", "1 of 6 fits", "Not measured at 50 images"):
        assert text in shown
