"""What a curve over labelled images says, as rows and sentences for terminal and page.

A curve is the content of label_curve.json, which `stages.label_curve` makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from prn_pipeline.reporting.cards.card import Card, draw_card
from prn_pipeline.reporting.figures.label_curve import gain_curves
from prn_pipeline.reporting.gains import points
from prn_pipeline.reporting.labels import refiner_label, short_label_or_name
from prn_pipeline.reporting.wording import MISSING, bracket, fixed

COLUMNS = ("Images", "Over base", "Over best free", "Best free", "s/fit")


@dataclass(frozen=True)
class CurveRow:
    """One row of a table on a refiner; `own`: it is the refiner of the run."""

    refiner: str
    own: bool
    cells: tuple[str, ...]


@dataclass(frozen=True)
class LabelSection:
    """What the page shows of a curve."""

    finding: str
    card: Card
    forecast_columns: Sequence[str]
    forecasts: list[CurveRow]
    columns: Sequence[str]
    rows: list[CurveRow]
    notes: list[str]


def label_section(curve: Mapping[str, Any], refiner: str | None = None) -> LabelSection | None:
    """The section of the report of a run with `refiner`; None where no curve was measured."""
    if not curve.get("refiners"):
        return None
    finding = finding_of(curve, refiner)
    card = draw_card(
        "labels",
        "Gain by labelled images",
        f"Gain over the base model in points of IoU micro, by the number of labelled images. {finding}",
        "Points are means over draws of images, with 95 % intervals; lines are fitted curves, dotted beyond what was"
        f" measured. The vertical line is at today's {curve['labelled_images']} labelled images.",
        partial(gain_curves, curve, refiner),
    )
    return LabelSection(
        finding,
        card,
        forecast_columns(curve),
        forecast_rows(curve, refiner),
        COLUMNS,
        curve_rows(curve, refiner),
        list(left_out_sentences(curve)),
    )


def finding_of(curve: Mapping[str, Any], own: str | None = None) -> str:
    """What more labelled images are expected to add, for the refiner `own` or the first one."""
    name = in_order(curve, own)[0]
    label, forecast = refiner_label({"refiner": name}), curve["refiners"][name]["forecast"]
    if forecast is None:
        return f"{label} was measured at one size, which makes no curve."
    return (
        f"{forecast['more']} labelled images more than today's {forecast['labelled']} are expected to add"
        f" {_further(forecast)} points to the gain of {label}."
    )


def forecast_columns(curve: Mapping[str, Any]) -> tuple[str, ...]:
    """Of `forecast_rows`, after the refiner."""
    more = next((one["forecast"]["more"] for one in curve["refiners"].values() if one["forecast"]), MISSING)
    return f"Gain at {curve['labelled_images']} images", f"{more} more add", "No correction"


def forecast_rows(curve: Mapping[str, Any], own: str | None = None) -> list[CurveRow]:
    """The fitted curve of each refiner at today's images and beyond, and how many of its fits were no better."""
    rows = []
    for name in in_order(curve, own):
        of_refiner = curve["refiners"][name]
        forecast = of_refiner["forecast"]
        today = MISSING if forecast is None else _points(forecast["gain"], forecast["ci95"])
        further = MISSING if forecast is None else _further(forecast)
        unchanged = f"{of_refiner['unchanged']} of {of_refiner['fits']} fits"
        rows.append(CurveRow(refiner_label({"refiner": name}), name == own, (today, further, unchanged)))
    return rows


def curve_rows(curve: Mapping[str, Any], own: str | None = None) -> list[CurveRow]:
    """One row per refiner and size, those of the refiner `own` first."""
    rows = []
    for name in in_order(curve, own):
        of_refiner = curve["refiners"][name]
        for size in of_refiner["sizes"]:
            free = size["vs_best_free"]
            cells = (
                fixed(size["images"], 0),
                _points(size["vs_base"]["iou_micro"], size["vs_base"]["ci95"]),
                _points(free["iou_micro"], free["ci95"]),
                short_label_or_name(free["method"]),
                fixed(size["seconds"], 1),
            )
            rows.append(CurveRow(refiner_label({"refiner": name}), name == own, cells))
    return rows


def in_order(curve: Mapping[str, Any], own: str | None = None) -> list[str]:
    """Names of the refiners of a curve, `own` first."""
    return sorted(curve["refiners"], key=lambda name: name != own)


def left_out_sentences(curve: Mapping[str, Any]) -> Iterator[str]:
    """Which sizes were not measured, and why."""
    for size, reason in curve["left_out"].items():
        yield f"Not measured at {size} images: {reason}."
    for name, of_refiner in curve["refiners"].items():
        for size, reason in of_refiner["left_out"].items():
            yield f"{refiner_label({'refiner': name})} not measured at {size} images: it {reason}."


def _further(forecast: Mapping[str, Any]) -> str:
    return _points(forecast["further_gain"], forecast["further_gain_ci95"])


def _points(value: float, ends: Sequence[float] | None) -> str:
    """A difference of IoU and its interval, in points."""
    interval = MISSING if ends is None else bracket((points(ends[0]), points(ends[1])), 1)
    return f"{fixed(points(value), 1, signed=True)} {interval}"
