"""`python -m benchmarks.tasks_page`: the part of docs/results.md on tasks beyond binary masks, from their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.results_page import MAIN, PAGE, replace_mark
from benchmarks.situations import REFINED, SITUATIONS, Scores, Situation, of_lists
from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.metrics.bootstrap import bounds, draws
from prn_pipeline.sweep.committed_results import RESULTS

SALIENT = ("mae", "f_max", "f_weighted", "s_measure", "e_max")
METHODS = comparison.names("base", "baseline", "refined")
#: Of all saliency runs, the situation, the refiners and the seed that the table shows.
SALIENCY_SITUATION, SALIENCY_REFINERS, SALIENCY_SEED = "strong", (MAIN, "trees"), 0
NOT_YET = "Not measured yet."
RESAMPLES = 2000


def saliency_section(runs: Sequence[Scores]) -> str:
    """For each base model its scores, those of the best free method by IoU, and each refiner's with its gain."""
    by_base: dict[tuple[str, str], list[Scores]] = {}
    for run in runs:
        if "f_max" in run["methods"]["base"]:
            by_base.setdefault((run["dataset"], run["base_model"]), []).append(run)
    rows = []
    for (dataset, base_model), own in by_base.items():
        methods = own[0]["methods"]
        free = own[0]["gain"][BEST_FREE]["method"]
        for name in dict.fromkeys(("base", free)):
            rows.append(["", "", _label(name, own[0]), *(f"{methods[name][score]:.3f}" for score in SALIENT)])
        rows[-2 if free != "base" else -1][:2] = [f"`{dataset}`", f"`{base_model}`"]
        for run in own:
            refined = run["methods"][REFINED]
            gains = refined["saliency_vs_base"]
            shown = [
                f"{refined[score]:.3f}" + (f", {_gain(gains[score])}" if score in gains else "") for score in SALIENT
            ]
            rows.append(["", "", _label(REFINED, run), *shown])
    heads = ["data set", "base model", "method", "MAE", "max F", "weighted F", "S", "max E"]
    return _table(heads, rows) if rows else NOT_YET


def classes_section(runs: Sequence[Scores]) -> str:
    """For each run of several classes its methods, then the classes of base model and refiner."""
    parts = []
    for run in runs:
        methods = {name: run["methods"][name] for name in METHODS if name in run["methods"]}
        rows = [
            [
                _label(name, run),
                f"{scores['iou_micro']:.3f}",
                f"{scores['iou_macro']:.3f}",
                f"{scores['pixel_accuracy']:.3f}",
                _gain({"gain": scores["vs_base"]["iou_micro"], "ci95": scores["vs_base"]["ci95"]}),
            ]
            for name, scores in methods.items()
        ]
        classes = [
            [
                name,
                *(f"{methods[method]['classes'][name]['iou']:.3f}" for method in ("base", REFINED)),
                _gain({"gain": one["vs_base"]["iou_micro"], "ci95": one["vs_base"]["ci95"]}),
            ]
            for name, one in methods[REFINED]["classes"].items()
            if one
        ]
        parts.append(f"`{run['dataset']}`, `{run['base_model']}`, seed {run['seed']}, {run['n_test']} test images:")
        parts.append(_table(["method", "mIoU of classes", "mIoU of images", "pixel accuracy", "gain"], rows))
        parts.append(_table(["class", "base", f"`{run['refiner']}`", "gain"], classes))
    return "\n\n".join(parts) or NOT_YET


def few_shot_section(runs: Sequence[Scores]) -> str:
    """One row per base model: the categories of all folds, each tested once by a model that has not seen it."""
    rows = []
    methods = [name for name in METHODS if any(name in run["methods"] for run in runs)]
    for base_model in dict.fromkeys(run["base_model"] for run in runs):
        own = [run for run in runs if run["base_model"] == base_model]
        of_each = {
            method: np.array([iou for run in own for iou in run["methods"][method]["categories"].values()])
            for method in methods
            if all(method in run["methods"] for run in own)
        }
        gain = of_each[REFINED] - of_each["base"]
        drawn = np.concatenate([some / len(gain) @ gain for some in draws(len(gain), RESAMPLES, seed=0)])
        rows.append(
            [
                f"`{base_model}`",
                f"{len(own)} of 4",
                str(len(gain)),
                str(sum(run["n_test"] for run in own)),
                *(f"{of_each[method].mean():.3f}" if method in of_each else "" for method in methods),
                _gain({"gain": float(gain.mean()), "ci95": bounds(drawn)}),
            ]
        )
    refiner = f"**{runs[0]['refiner']}**" if runs else ""
    labels = [refiner if name == REFINED else comparison.method(name).short_label for name in methods]
    heads = ["base model", "folds", "categories", "episodes", *labels, "gain"]
    return _table(heads, rows) if rows else NOT_YET


def _label(method: str, run: Scores) -> str:
    return f"**{run['refiner']}**" if method == REFINED else comparison.method(method).short_label


def _gain(gain: dict[str, Any]) -> str:
    low, high = (100 * end for end in gain["ci95"])
    return f"{100 * gain['gain']:+.1f} [{low:+.1f}, {high:+.1f}]"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _runs(name: str) -> list[Scores]:
    return Situation(name, name, of_lists(name), "make tasks").runs(RESULTS)


def main() -> None:
    """Put the three parts into the page."""
    (strong,) = (one for one in SITUATIONS if one.mark == SALIENCY_SITUATION)
    salient = [
        run for run in strong.runs(RESULTS) if run["refiner"] in SALIENCY_REFINERS and run["seed"] == SALIENCY_SEED
    ]
    for mark, text in (
        ("saliency", saliency_section(salient)),
        ("classes", classes_section(_runs("classes"))),
        ("few-shot", few_shot_section(_runs("few_shot"))),
    ):
        replace_mark(PAGE, mark, text)
    print(PAGE)


if __name__ == "__main__":
    main()
