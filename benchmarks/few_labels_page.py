"""The part of docs/results.md on few labelled images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_page import replace_mark
from prn_pipeline.metrics.saturating_curve import Curves
from prn_pipeline.reporting.wording import bracket, fixed
from prn_pipeline.stages.label_curve.measuring import FULL_CORRECTION

MARK = "few-labels"
#: Numbers of labelled images whose gains are compared: how much of the gain with many is there with few.
FEW, MANY = 10, 100


def section(folder: Path) -> str:
    """Markdown: a table for each file below `folder`, with a row per refiner and a column per size.

    A further row has the gains of the refiner's whole correction, whatever its guard selected: what it has learned.
    """
    files = sorted(folder.rglob("*.json"))
    return "\n\n".join(_table(json.loads(file.read_text())) for file in files) or "Not measured yet."


def write_page(page: Path, folder: Path) -> None:
    """Replace what lies between the two marks of the page.

    Raises:
        ValueError: the page lacks them.
    """
    replace_mark(page, MARK, section(folder))


def _table(found: Mapping[str, Any]) -> str:
    sizes = sorted({size["size"] for one in found["refiners"].values() for size in one["sizes"]})
    head = ["refiner", *map(str, sizes), "over best free, most", f"{FEW} of {MANY}", "s"]
    lines = [
        f"`{found['base_model']}` on `{found['dataset']}`, {found['labelled_images']} labelled images in"
        f" {found['groups']} groups, {found['draws']} draws:",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
    ]
    for name, one in found["refiners"].items():
        measured = {size["size"]: size for size in one["sizes"]}
        gains = [_gain(measured[size]["vs_base"]) if size in measured else "" for size in sizes]
        seconds = fixed(np.mean([size["seconds"] for size in one["sizes"]]), 0)
        row = [name, *gains, _gain(one["sizes"][-1]["vs_best_free"]), share_of_many(one), seconds]
        lines.append(f"| {' | '.join(row)} |")
        if FULL_CORRECTION in one["sizes"][0]:
            full = [_gain(measured[size][FULL_CORRECTION]) if size in measured else "" for size in sizes]
            lines.append(f"| its whole correction | {' | '.join(full)} |  |  |  |")
    return "\n".join(lines)


def share_of_many(of_refiner: Mapping[str, Any]) -> str:
    """The fitted curve's gain at `FEW` images as a share of that at `MANY`, in percent; "" where neither means much."""
    if of_refiner["curve"] is None:
        return ""
    curve = Curves(*(np.array([of_refiner["curve"][name]]) for name in Curves._fields))
    few, many = (float(curve.at(images)[0]) for images in (FEW, MANY))
    return f"{100 * few / many:.0f} %" if many > 0 else ""


def _gain(gain: Mapping[str, Any]) -> str:
    ends = gain["ci95"] and (100 * gain["ci95"][0], 100 * gain["ci95"][1])
    return f"{fixed(100 * gain['iou_micro'], 1, signed=True)} {bracket(ends, 1)}"
