"""Scores of every method as rows of text, ready for the page: masks, continuous maps, classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prn_pipeline.comparison import table as comparison
from prn_pipeline.reporting.gains import points, points_interval
from prn_pipeline.reporting.labels import REFINER, method_label
from prn_pipeline.reporting.wording import bracket, fixed, interval, number, whole

METRIC_LABELS = {
    "iou_micro": "IoU micro",
    "iou_macro": "IoU macro",
    "dice": "Dice",
    "precision": "Precision",
    "recall": "Recall",
    "boundary_iou": "Boundary IoU",
    "mae": "MAE",
    "wrong_pixels": "Wrong pixels",
    "miou_categories": "mIoU of categories",
    "miou_episodes": "mIoU of episodes",
    "fb_iou": "FB-IoU",
    "pixel_accuracy": "Pixel accuracy",
}
#: Measured for the task saliency; they have a table of their own.
SALIENCY_LABELS = {
    "f_max": "max F",
    "f_mean": "mean F",
    "f_weighted": "weighted F",
    "s_measure": "S-measure",
    "e_max": "max E",
    "e_mean": "mean E",
}
#: Numbers of a method that do not measure its masks, or are shown elsewhere.
NO_COLUMN = {"threshold", "images_worse_pct"}
LOWER_IS_BETTER = {"mae", "wrong_pixels"}
#: Numbers of pixels, which are shown in full.
WHOLE = {"wrong_pixels"}


@dataclass(frozen=True)
class ScoreEntry:
    """One number of a table of scores.

    Attributes:
        text: rounded.
        value: in full; "" if missing.
        interval: "[low, high]", or "".
        best: whether it is the best of its column.
    """

    text: str
    value: str
    interval: str
    best: bool


@dataclass(frozen=True)
class ScoreRow:
    """One method, or one class, with one entry per column."""

    label: str
    refined: bool
    bound: bool
    entries: list[ScoreEntry]


def score_columns(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Metric -> column label: the known metrics in order, then every other single number of the scores."""
    named = dict.fromkeys(
        name
        for scores in methods.values()
        for name, value in scores.items()
        if not name.endswith("_ci95") and not isinstance(value, (Mapping, Sequence))
    )
    if all(scores.get("boundary_iou") is None for scores in methods.values()):
        named.pop("boundary_iou", None)  # left out, because it would repeat IoU
    known = {name: label for name, label in METRIC_LABELS.items() if name in named}
    return known | {
        name: name.replace("_", " ")
        for name in named
        if name not in METRIC_LABELS.keys() | SALIENCY_LABELS.keys() | NO_COLUMN
    }


def saliency_columns(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Those of `SALIENCY_LABELS` that were measured."""
    return {
        name: label for name, label in SALIENCY_LABELS.items() if any(name in scores for scores in methods.values())
    }


def score_rows(
    run: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]], columns: Mapping[str, str] | None = None
) -> list[ScoreRow]:
    """One row per method in the order of the table of methods, those that see the truth last.

    The best value of each column is marked among the methods that do not see the truth. Values that look equal in
    print are marked together: the third decimal decides.

    Args:
        run: dataset, base_model, refiner, seed.
        methods: "methods" of the scores JSON.
        columns: metric -> label; `score_columns` by default.
    """
    columns = score_columns(methods) if columns is None else columns
    bounds = [name for name in comparison.names("bound") if name in methods]
    contenders = [name for name in comparison.in_order(methods) if name not in bounds]
    leaders = {name: _leader(name, [methods[contender].get(name) for contender in contenders]) for name in columns}
    return [
        ScoreRow(
            label=method_label(method, run),
            refined=method == REFINER,
            bound=method in bounds,
            entries=[_entry(methods[method], name, None if method in bounds else leaders[name]) for name in columns],
        )
        for method in [*contenders, *bounds]
    ]


def class_columns(run: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Methods that were measured class by class, then the refiner's gain; empty where there are no classes."""
    measured = [name for name in comparison.in_order(methods) if methods[name].get("classes")]
    return {name: method_label(name, run) for name in measured} | (
        {"gain": "gain over base"} if REFINER in measured else {}
    )


def class_rows(run: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]]) -> list[ScoreRow]:
    """IoU of every class under each of `class_columns`, the best marked, and the refiner's gain in points."""
    columns = [name for name in class_columns(run, methods) if name != "gain"]
    rows = []
    for name in methods[columns[0]]["classes"] if columns else ():
        found = {method: methods[method]["classes"][name] for method in columns}
        if not all(found.values()):
            continue  # no test image has it
        leader = _leader("iou", [one["iou"] for one in found.values()])
        entries = [
            ScoreEntry(fixed(one["iou"]), repr(one["iou"]), bracket(interval(one["ci95"])), fixed(one["iou"]) == leader)
            for one in found.values()
        ]
        if REFINER in found:
            gain = found[REFINER]["vs_base"]
            shown = fixed(points(gain["iou_micro"]), 1, signed=True)
            entries.append(ScoreEntry(shown, repr(gain["iou_micro"]), bracket(points_interval(gain), 1), best=False))
        rows.append(ScoreRow(name, refined=False, bound=False, entries=entries))
    return rows


def _leader(metric: str, values: list[Any]) -> str | None:
    finite = [amount for amount in map(number, values) if math.isfinite(amount)]
    if len(finite) < 2:
        return None
    return _text(metric, min(finite) if metric in LOWER_IS_BETTER else max(finite))


def _text(metric: str, amount: float) -> str:
    return whole(amount) if metric in WHOLE else fixed(amount)


def _entry(scores: Mapping[str, Any], metric: str, leader: str | None) -> ScoreEntry:
    amount, ends = number(scores.get(metric)), interval(scores.get(f"{metric}_ci95"))
    return ScoreEntry(
        text=_text(metric, amount),
        value=repr(amount) if math.isfinite(amount) else "",
        interval="" if ends is None else bracket(ends),
        best=_text(metric, amount) == leader,
    )
