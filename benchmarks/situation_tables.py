"""Tables of situations: what to expect of each refiner, and every run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.situations import REFINED, Scores, Situation, over_base, over_best_free, training_seconds
from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.reporting.caveats import doubted_maps
from prn_pipeline.reporting.wording import bracket, fixed

NOT_YET = "Not measured yet."
#: What refiners are compared with, where the base model can be trained.
COMPARED_WITH = ("fine_tune", "train_longer", "fine_tuned")
LEAST_DATA_SETS = 2


def expectations(found: Sequence[tuple[Situation, Sequence[Scores]]]) -> str:
    """Markdown: one row per situation and refiner, with its gains and what it costs; without runs on doubted maps."""
    head = ["situation", "refiner", "runs", "over the base model: median [worst, best]"]
    head += ["over the best free method", "base models with all intervals above it", "images made worse, %"]
    head += ["training, s", "passes of the base model"]
    rows = []
    for situation, runs in found:
        title = situation.title
        for refiner in situation.refiners:
            own = [run for run in runs if run["refiner"] == refiner and not doubted_maps(run)]
            if own:
                rows.append([title, f"`{refiner}`", str(len(own)), *_statistics(own)])
                title = ""
        if not runs:
            rows.append([title, "", "0", "not measured yet", *[""] * (len(head) - 4)])
    return table(head, rows)


def headline(found: Sequence[tuple[Situation, Sequence[Scores]]]) -> str:
    """Markdown for the README: of each situation the refiner with the best median over the best free method.

    Refiners are compared on base models and seeds that all of them have been run on; those with fewer runs than another
    are left out, because nobody knows what they do over the other base models. What the best of them gains is over all
    of its own runs. A situation has no row before its best refiner has been run on
    `LEAST_DATA_SETS` data sets: one of them says nothing about others.
    """
    rows = []
    for situation, runs in found:
        if not situation.in_headline:
            continue
        by_refiner = {
            name: [run for run in runs if run["refiner"] == name]
            for name in situation.refiners
            if name not in COMPARED_WITH and any(run["refiner"] == name for run in runs)
        }
        most = max(map(len, by_refiner.values()), default=0)
        by_refiner = {name: own for name, own in by_refiner.items() if len(own) == most}
        common = set.intersection(*({_group(run) for run in own} for own in by_refiner.values())) if by_refiner else ()
        if not common:
            continue
        compared = {name: [run for run in own if _group(run) in common] for name, own in by_refiner.items()}
        best = max(compared, key=lambda name: float(np.median([over_best_free(run) for run in compared[name]])))
        if len({run["dataset"] for run in by_refiner[best]}) < LEAST_DATA_SETS:
            continue
        done = f"{len(by_refiner[best])} of {sum(names[2] == best for names in situation.names())}"
        rows.append([situation.title, f"`{best}`", done, *_statistics(by_refiner[best])])
    head = ["situation", "best refiner", "runs so far", "over the base model", "over the best free method"]
    head += ["base models with all intervals above it", "images made worse, %", "training, s", "passes"]
    return table(head, rows) if rows else NOT_YET


def _statistics(own: Sequence[Scores]) -> list[str]:
    above: dict[tuple[str, str], bool] = {}  # seeds share their test images and say little more than one of them
    for run in own:
        model = run["dataset"], run["base_model"]
        above[model] = above.get(model, True) and run["gain"][BEST_FREE]["ci95"][0] > 0
    return [
        spread([over_base(run) for run in own]),
        spread([over_best_free(run) for run in own]),
        f"{sum(above.values())} of {len(above)}",
        fixed(float(np.median([run["methods"][REFINED]["images_worse_pct"] for run in own])), 0),
        fixed(float(np.median([training_seconds(run) for run in own])), 0),
        " or ".join(map(str, sorted({passes(run) for run in own}))),
    ]


def passes(run: Scores) -> int:
    """Passes of the base model, or of the network in place of it, at inference."""
    base, refiner = run["cost"]["base"], run["cost"]["refiner"]
    in_place_of_it = base is not None and refiner["base_passes"] < 0
    return round(refiner["gflop"] / base["gflop"]) if in_place_of_it else 1 + int(refiner["base_passes"])


def goals(situation: Situation, runs: Sequence[Scores]) -> str:
    """Markdown: each goal, what the best refiner reached in all its runs, and whether it was met; "" without goals."""
    rows = []
    complete = [
        name
        for name in situation.refiners
        if sum(run["refiner"] == name for run in runs) == sum(names[2] == name for names in situation.names())
    ]
    for goal in situation.goals:
        reached = {name: goal.reached([run for run in runs if run["refiner"] == name]) for name in complete}
        if not reached:
            rows.append([goal.text, "not all runs are done", ""])
            continue
        best = max(reached, key=reached.__getitem__)
        met = "met" if reached[best] >= goal.least else "**missed**"
        value = f"{fixed(reached[best], 2, signed=True)} (`{best}`)"
        rows.append([goal.text, value, met])
    return table(["goal", "reached", ""], rows) if rows else ""


def runs_table(situation: Situation, runs: Sequence[Scores]) -> str:
    """Markdown: one row per data set, base model and seed; gains over the best free method, with intervals."""
    refiners = [name for name in situation.refiners if any(run["refiner"] == name for run in runs)]
    head = [
        "data set",
        "base model",
        "seed",
        "test",
        "base",
        "best free",
        *(f"`{name}`" for name in refiners),
        "oracle",
    ]
    by_group: dict[tuple[Any, ...], dict[str, Scores]] = {}
    for run in runs:
        by_group.setdefault(_group(run), {})[run["refiner"]] = run
    rows = []
    for (dataset, base_model, seed), of_refiner in by_group.items():
        any_run = next(iter(of_refiner.values()))
        methods, free = any_run["methods"], any_run["gain"][BEST_FREE]["method"]
        row = [f"`{dataset}`", f"`{base_model}`", str(seed), str(any_run["n_test"])]
        row += [fixed(methods["base"]["iou_micro"], 3), f"{fixed(methods[free]['iou_micro'], 3)} {_label(free)}"]
        row += [gain_text(of_refiner[name]["gain"][BEST_FREE]) if name in of_refiner else "" for name in refiners]
        rows.append([*row, fixed(methods["patch_oracle"]["iou_micro"], 3)])
    return table(head, rows) if rows else NOT_YET


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _group(run: Scores) -> tuple[Any, ...]:
    return run["dataset"], run["base_model"], run["seed"]


def _label(method: str) -> str:
    return comparison.method(method).short_label


def spread(points: Sequence[float]) -> str:
    """Median, with the worst and the best."""
    return f"{fixed(float(np.median(points)), 1, signed=True)} {bracket((min(points), max(points)), 1)}"


def gain_text(gain: dict[str, Any]) -> str:
    """Points with their interval."""
    low, high = (100 * end for end in gain["ci95"])
    return f"{fixed(100 * gain['iou_micro'], 1, signed=True)} {bracket((low, high), 1)}"
