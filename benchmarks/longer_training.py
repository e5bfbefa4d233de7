"""The table of refiners against the base model's network, trained for as long as base model and refiner together."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.situation_tables import spread, table
from benchmarks.situations import REFINED, Scores, best_free_iou

LONGER, FREE = "train_longer", "the best free method"
#: Points below it that still count as level, and the share of base models in which level or ahead was hoped for.
LEVEL, HOPED = 0.2, 2 / 3


def against_longer(runs: Sequence[Scores]) -> str:
    """Markdown: how each refiner, and the best free method, compare with `train_longer`; "" where it was not run."""
    longer = {_place(run): run for run in runs if run["refiner"] == LONGER}
    if not longer:
        return ""
    differences = {FREE: [100 * (best_free_iou(run) - _iou(run)) for run in longer.values()]}
    for run in runs:
        if run["refiner"] != LONGER and _place(run) in longer:
            name = f"`{run['refiner']}`"
            differences.setdefault(name, []).append(100 * (_iou(run) - _iou(longer[_place(run)])))
    rows = []
    for name, points in differences.items():
        level = sum(point >= -LEVEL for point in points)
        met = "" if name == FREE else "so far met" if level >= HOPED * len(points) else "so far **missed**"
        rows.append([name, f"{level} of {len(points)}", spread(points), met])
    head = ["", f"level with `{LONGER}` or ahead", "points over it: median [worst, best]", "goal: two thirds"]
    return table(head, rows)


def _place(run: Scores) -> tuple[str, str, int]:
    return run["dataset"], run["base_model"], run["seed"]


def _iou(run: Scores) -> float:
    return float(run["methods"][REFINED]["iou_micro"])
