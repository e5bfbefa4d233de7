"""From counts of every image to the scores JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.method import TunedMap
from prn_pipeline.metrics.bootstrap import Groups, independent, interval, paired_gain
from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.metrics.scores import iou, mean_iou, scores
from prn_pipeline.stages.evaluation.task_metrics import TaskMetrics

#: Columns that add up to the true pixels: found and missed.
TRUTH = [COLUMNS.index("true_positives"), COLUMNS.index("false_negatives")]
#: Of the scores JSON; files of another schema are refused by their readers.
SCHEMA = 2
#: The comparison that a reader should believe: with the best of all methods that need no training, on this test set.
BEST_FREE = "vs_best_free"


def present(measured: pd.DataFrame) -> list[str]:
    """The methods that were measured, in the order of the table of methods."""
    return comparison.in_order(set(measured["method"]))


def counts_of(measured: pd.DataFrame, method: str) -> np.ndarray:
    """Counts of one method, int64 (images, maps an image, 6), images in order."""
    return _by_image(measured, measured.loc[measured["method"] == method, list(COLUMNS)].to_numpy(np.int64))


def groups_of(measured: pd.DataFrame, method: str) -> Groups:
    """Group of each image, (images,); None where every image is on its own."""
    if "group" not in measured:
        return None
    groups = measured.loc[measured["method"] == method, "group"].to_numpy()
    return groups.reshape(-1, _maps_per_image(measured))[:, 0]


def score_methods(
    measured: pd.DataFrame,
    thresholds: Mapping[TunedMap, Sequence[float]],
    resamples: int,
    seed: int,
    task_metrics: Sequence[TaskMetrics] = (),
) -> dict[str, Any]:
    """Scores of every method with intervals, and the refiner's paired gains.

    Args:
        measured: what `measuring.measure` gave.
        thresholds: of `measuring.tune_thresholds`; each is written beside the scores of the method that used it.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        task_metrics: what the task has measured beside the counts.

    Returns:
        `n_test`, `n_independent` (groups of images that belong together: what intervals are over), `video` (images look
        like frames, and nothing says which belong together: intervals are too narrow), `methods` and `gain` of the
        scores JSON. `gain.vs_best_free` is over the best method that needs no training, with that method's name.
    """
    methods = present(measured)
    groups = groups_of(measured, methods[0])
    counts = {method: counts_of(measured, method) for method in methods}
    errors = {method: measured.loc[measured["method"] == method, "mae"].to_numpy() for method in methods}
    more = [metric.scores(resamples, seed, groups) for metric in task_metrics]
    before = mean_iou(counts["base"])
    worse = {method: float(100 * np.mean(mean_iou(counts[method]) < before)) for method in methods}
    scored: dict[str, dict[str, Any]] = {
        method: scores(counts[method], errors[method])
        | {
            "iou_micro_ci95": interval(counts[method], resamples, seed, groups),
            "vs_base": paired_gain(counts[method], counts["base"], resamples, seed, groups),
            "images_worse_pct": worse[method],
        }
        | {name: value for extra in more for name, value in extra[method].items()}
        | _threshold_of(method, thresholds)
        for method in methods
    }
    free = [name for name in comparison.names("base", "baseline") if name in methods]
    gain: dict[str, Any] = {
        comparison.method(name).gain_key: paired_gain(counts["refined"], counts[name], resamples, seed, groups)
        for name in free
    }
    best = max(free, key=lambda name: float(scored[name]["iou_micro"]))
    gain[BEST_FREE] = {"method": best} | gain[comparison.method(best).gain_key]
    return {
        "n_test": len(counts["base"]),
        "n_independent": independent(len(counts["base"]), groups)[0],
        "video": bool(measured["video"].any()) if "video" in measured else False,
        "methods": scored,
        "gain": {**gain, "images_worse_pct": worse["refined"]},
    }


def _threshold_of(name: str, thresholds: Mapping[TunedMap, Sequence[float]]) -> dict[str, Any]:
    tuned_on = comparison.method(name).tuned_on
    if tuned_on is None:
        return {}
    chosen = list(thresholds[tuned_on])
    return {"threshold": chosen[0] if len(chosen) == 1 else chosen}


def per_image(measured: pd.DataFrame) -> pd.DataFrame:
    """IoU of every method on every test image: sample_id, iou_<method> ..., gain = iou_refined - iou_base.

    Of several classes there is one row per class that the image has, with class_id; `row` is that of the test map.
    """
    of_base = measured[measured["method"] == "base"]
    table = of_base[[name for name in ("row", "sample_id", "class_id") if name in measured]].reset_index(drop=True)
    for method in present(measured):
        counts = measured.loc[measured["method"] == method, list(COLUMNS)].to_numpy(np.int64)
        table[f"iou_{method}"] = iou(counts)
        in_truth = counts[:, TRUTH].sum(1) > 0
    table["gain"] = table["iou_refined"] - table["iou_base"]
    return table[in_truth].reset_index(drop=True) if "class_id" in table else table


def _by_image(measured: pd.DataFrame, counts: np.ndarray) -> np.ndarray:
    return counts.reshape(-1, _maps_per_image(measured), len(COLUMNS))


def _maps_per_image(measured: pd.DataFrame) -> int:
    return int(measured["class_id"].max()) + 1 if "class_id" in measured else 1
