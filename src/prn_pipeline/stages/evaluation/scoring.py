"""From the pixel counts of every image to the scores JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from prn_pipeline.comparison import table as comparison
from prn_pipeline.comparison.method import Tuned
from prn_pipeline.comparison.scores_file import BEST_FREE
from prn_pipeline.metrics.bootstrap import Groups, independent, interval, paired_gain
from prn_pipeline.metrics.constant_predictions import constant_prediction
from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.metrics.scores import iou, mean_iou, scores, wrong_pixels
from prn_pipeline.stages.evaluation.task_metrics import TaskMetrics

#: From this share of the true pixels on, the band of boundary IoU covers the objects, and it only repeats IoU.
BAND_COVERS = 0.995
#: Columns whose sum is the number of true pixels.
TRUTH = [COLUMNS.index("true_positives"), COLUMNS.index("false_negatives")]


def present(measured: pd.DataFrame) -> list[str]:
    """The methods that were evaluated, in the order of the table of methods."""
    return comparison.in_order(set(measured["method"]))


def counts_of(measured: pd.DataFrame, method: str) -> np.ndarray:
    """Counts of one method, int64 (images, maps per image, 6), in the order of the images."""
    return _by_image(measured, measured.loc[measured["method"] == method, list(COLUMNS)].to_numpy(np.int64))


def groups_of(measured: pd.DataFrame, method: str) -> Groups:
    """Group of each image, (images,); None if the data set has no groups."""
    if "group" not in measured:
        return None
    groups = measured.loc[measured["method"] == method, "group"].to_numpy()
    return groups.reshape(-1, _maps_per_image(measured))[:, 0]


def score_methods(
    measured: pd.DataFrame,
    tuned: Tuned,
    resamples: int,
    seed: int,
    task_metrics: Sequence[TaskMetrics] = (),
) -> dict[str, Any]:
    """Scores of every method with intervals, and the refiner's paired gains.

    Args:
        measured: result of `measuring.measure`.
        tuned: values from `tuning.tune`; each is added to the scores of the method that uses it.
        resamples: resamples of the bootstrap.
        seed: seed of the bootstrap.
        task_metrics: metrics of the task, already updated.

    Returns:
        `n_test`, `n_independent` (number of groups, over which intervals are computed), `video` (images look like
        frames of videos, but the groups are unknown, so intervals are too narrow), `methods` and `gain` of the scores
        JSON. Each gain has the `wrong_pixels` that the refiner adds. `gain.vs_best_free` is the gain over the best
        method that needs no training, with that method's name: the best on these test images, which no one can know
        beforehand, so the comparison is harder than any choice on val. `boundary_band_share` is the share of the true
        pixels that lie in the band of boundary IoU; where that is all of them, boundary_iou is None. `base_predicts` is
        there only where the base model predicts the same everywhere; see `constant_prediction`.
    """
    methods = present(measured)
    groups = groups_of(measured, methods[0])
    counts = {method: counts_of(measured, method) for method in methods}
    errors = {method: measured.loc[measured["method"] == method, "mae"].to_numpy() for method in methods}
    task_scores = [metric.scores(resamples, seed, groups) for metric in task_metrics]
    base_iou = mean_iou(counts["base"])
    worse = {method: float(100 * np.mean(mean_iou(counts[method]) < base_iou)) for method in methods}
    scored: dict[str, dict[str, Any]] = {
        method: scores(counts[method], errors[method])
        | {
            "iou_micro_ci95": interval(counts[method], resamples, seed, groups),
            "vs_base": paired_gain(counts[method], counts["base"], resamples, seed, groups),
            "images_worse_pct": worse[method],
        }
        | {name: value for of_metric in task_scores for name, value in of_metric[method].items()}
        | _tuned_values(method, tuned)
        for method in methods
    }
    band = band_share(measured)
    if band >= BAND_COVERS:
        for method in methods:
            scored[method]["boundary_iou"] = None
    free = comparison.without_training(methods)
    gain: dict[str, Any] = {
        comparison.method(name).gain_key: {
            **paired_gain(counts["refined"], counts[name], resamples, seed, groups),
            "wrong_pixels": wrong_pixels(counts["refined"]) - wrong_pixels(counts[name]),
        }
        for name in free
    }
    best = max(free, key=lambda name: float(scored[name]["iou_micro"]))
    gain[BEST_FREE] = {"method": best} | gain[comparison.method(best).gain_key]
    constant = constant_prediction(counts["base"])
    return {
        "n_test": len(counts["base"]),
        "n_independent": independent(len(counts["base"]), groups)[0],
        "video": bool(measured["video"].any()) if "video" in measured else False,
        **({"base_predicts": constant} if constant else {}),
        "boundary_band_share": band,
        "methods": scored,
        "gain": {**gain, "images_worse_pct": worse["refined"]},
    }


def band_share(measured: pd.DataFrame) -> float:
    """Share of the true pixels that lie in the band of boundary IoU; 0 without a true pixel."""
    one = measured[measured["method"] == measured["method"].iloc[0]]
    truth = int(one[[COLUMNS[column] for column in TRUTH]].to_numpy().sum())
    return float(one["truth_outline"].sum() / truth) if truth else 0.0


def _tuned_values(name: str, tuned: Tuned) -> dict[str, Any]:
    tuned_on = comparison.method(name).tuned_on
    found: dict[str, Any] = {}
    if tuned_on is not None:
        chosen = list(tuned.thresholds[tuned_on])
        found["threshold"] = chosen[0] if len(chosen) == 1 else chosen
    if name in tuned.selected:
        found["selected"] = dict(tuned.selected[name])
    return found


def per_image(measured: pd.DataFrame) -> pd.DataFrame:
    """IoU of every method on every test image: row, sample_id, iou_<method> ..., gain = iou_refined - iou_base.

    With several classes, one row for each class that is present in the image, with class_id. `row` is the index among
    the test maps.
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
