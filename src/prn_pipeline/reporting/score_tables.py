"""Scores of every method as rows of text, ready for the page: of masks, of continuous maps, of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prn_pipeline.reporting.headline import points, points_interval
from prn_pipeline.reporting.wording import bracket, fixed, interval, method_label, number

METRIC_LABELS = {
    "iou_micro": "IoU micro",
    "iou_macro": "IoU macro",
    "dice": "Dice",
    "precision": "Precision",
    "recall": "Recall",
    "boundary_iou": "Boundary IoU",
    "mae": "MAE",
    "miou_categories": "mIoU of categories",
    "miou_episodes": "mIoU of episodes",
    "fb_iou": "FB-IoU",
    "pixel_accuracy": "Pixel accuracy",
}
#: Measured where the task is saliency; a table of their own.
SALIENCY_LABELS = {
    "f_max": "max F",
    "f_mean": "mean F",
    "f_weighted": "weighted F",
    "s_measure": "S-measure",
    "e_max": "max E",
    "e_mean": "mean E",
}
#: Numbers of a method that are no measure of its masks, or are shown elsewhere.
NO_COLUMN = {"threshold", "images_worse_pct"}
METHOD_ORDER = ("base", "tuned_threshold", "rankseg", "tta", "prn")
UPPER_BOUND = "patch_oracle"
LOWER_IS_BETTER = {"mae"}


@dataclass(frozen=True)
class ScoreCell:
    """One number of the scores table: as shown, in full ("" if missing), its interval, and whether it leads."""

    text: str
    value: str
    interval: str
    best: bool


@dataclass(frozen=True)
class ScoreRow:
    """One method of the scores table, a cell a metric."""

    label: str
    refiner: bool
    upper_bound: bool
    cells: list[ScoreCell]


def score_columns(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Metric -> column label: the known ones in their order, then any further single number, as scores have them."""
    named = dict.fromkeys(
        name
        for scores in methods.values()
        for name, value in scores.items()
        if not name.endswith("_ci95") and not isinstance(value, (Mapping, Sequence))
    )
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
    cell: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]], columns: Mapping[str, str] | None = None
) -> list[ScoreRow]:
    """`columns` of the scores, or `score_columns`, with the best reachable values marked.

    A row a method, rivals first, the refiner after them, the oracle last.
    Values that look equal in print are marked together: the third decimal decides, not the tenth.
    """
    columns = score_columns(methods) if columns is None else columns
    contenders = [name for name in METHOD_ORDER if name in methods]
    contenders += [name for name in methods if name not in (*METHOD_ORDER, UPPER_BOUND)]
    leaders = {name: _leader(name, [methods[contender].get(name) for contender in contenders]) for name in columns}
    shown = [*contenders, *([UPPER_BOUND] if UPPER_BOUND in methods else [])]
    return [
        ScoreRow(
            label=method_label(method, cell),
            refiner=method == "prn",
            upper_bound=method == UPPER_BOUND,
            cells=[
                _score_cell(methods[method], name, None if method == UPPER_BOUND else leaders[name]) for name in columns
            ],
        )
        for method in shown
    ]


def class_columns(cell: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Methods that were measured class by class, then the refiner's gain; none where there are no classes."""
    measured = [name for name in METHOD_ORDER if methods.get(name, {}).get("classes")]
    return {name: method_label(name, cell) for name in measured} | ({"gain": "gain"} if "prn" in measured else {})


def class_rows(cell: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]]) -> list[ScoreRow]:
    """IoU of every class under each of `class_columns`, the best marked, and the refiner's gain in points."""
    columns = [name for name in class_columns(cell, methods) if name != "gain"]
    rows = []
    for name in methods[columns[0]]["classes"] if columns else ():
        found = {method: methods[method]["classes"][name] for method in columns}
        if not all(found.values()):
            continue  # no test image has it
        leader = _leader("iou", [one["iou"] for one in found.values()])
        cells = [
            ScoreCell(fixed(one["iou"]), repr(one["iou"]), bracket(interval(one["ci95"])), fixed(one["iou"]) == leader)
            for one in found.values()
        ]
        if "prn" in found:
            gain = found["prn"]["vs_base"]
            shown = fixed(points(gain["iou_micro"]), 1, signed=True)
            cells.append(ScoreCell(shown, repr(gain["iou_micro"]), bracket(points_interval(gain), 1), best=False))
        rows.append(ScoreRow(name, refiner=False, upper_bound=False, cells=cells))
    return rows


def _leader(metric: str, values: list[Any]) -> str | None:
    finite = [amount for amount in map(number, values) if math.isfinite(amount)]
    if len(finite) < 2:
        return None
    return fixed(min(finite) if metric in LOWER_IS_BETTER else max(finite))


def _score_cell(scores: Mapping[str, Any], metric: str, leader: str | None) -> ScoreCell:
    amount, ends = number(scores.get(metric)), interval(scores.get(f"{metric}_ci95"))
    return ScoreCell(
        text=fixed(amount),
        value=repr(amount) if math.isfinite(amount) else "",
        interval="" if ends is None else bracket(ends),
        best=fixed(amount) == leader,
    )
