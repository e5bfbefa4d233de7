"""Gains over the base model as a matrix: a row per data set and base model, a column per refiner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from prn_pipeline.reporting.labels import label_or_name
from prn_pipeline.reporting.leaderboard.standings import Standing
from prn_pipeline.reporting.wording import MISSING, fixed


@dataclass(frozen=True)
class Cell:
    """A gain in points as text, whether it is the largest of its row, and against the best free method.

    Attributes:
        outcome: of a refiner's gain over the best free method: "better" or "worse" where the interval excludes zero,
            otherwise "same"; "" for the best free method itself, and where nothing was measured.
    """

    text: str
    largest: bool = False
    outcome: str = ""


@dataclass(frozen=True)
class MatrixRow:
    """A data set and base model: its IoU, the best free method with its gain, and the gain of each refiner."""

    dataset: str
    base_model: str
    base: str
    free: str
    cells: Sequence[Cell]


def matrix(standings: Sequence[Standing]) -> tuple[list[str], list[MatrixRow]]:
    """Names of the refiners, and the rows; the first cell of a row is the best free method's.

    The best free method has the highest mean over seeds, so that it favours no refiner, which has all seeds too.
    """
    refiners = list(dict.fromkeys(one.method for one in standings if one.kind == "refined"))
    groups: dict[tuple[str, str], list[Standing]] = {}
    for one in standings:
        groups.setdefault((one.dataset, one.base_model), []).append(one)
    return refiners, [_row(group, refiners) for group in groups.values()]


def _row(group: Sequence[Standing], refiners: Sequence[str]) -> MatrixRow:
    by_method = {one.method: one for one in group}
    base = next((one for one in group if one.kind == "base"), None)
    free = max((one for one in group if one.kind == "baseline"), key=_gain, default=None)
    shown = [free, *(by_method.get(name) for name in refiners)]
    largest = _text(max(map(_gain, shown)))
    return MatrixRow(
        group[0].dataset,
        group[0].base_model,
        fixed(base.iou.mean if base else math.nan),
        label_or_name(free.method) if free else MISSING,
        [_cell(one, largest) for one in shown],
    )


def _gain(one: Standing | None) -> float:
    """The gain over the base model; minus infinity where nothing was measured."""
    return -math.inf if one is None or math.isnan(one.gain.mean) else one.gain.mean


def _cell(one: Standing | None, largest: str) -> Cell:
    if one is None or math.isnan(one.gain.mean):
        return Cell(MISSING)
    text = _text(one.gain.mean)  # gains that look alike are equally large
    return Cell(text, text == largest, _outcome(one) if one.kind == "refined" else "")


def _text(gain: float) -> str:
    return fixed(100 * gain, 1, signed=True)


def _outcome(one: Standing) -> str:
    over_free = one.best_free_gain
    if math.isnan(over_free.mean) or one.too_few_units is not None or one.doubted_maps:
        return ""
    return "better" if over_free.low > 0 else "worse" if over_free.high < 0 else "same"
