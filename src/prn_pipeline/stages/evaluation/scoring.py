"""From counts of every image to the scores JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from prn_pipeline.metrics import COLUMNS, Groups, independent, interval, iou, mean_iou, paired_gain, scores
from prn_pipeline.stages.evaluation.methods import METHODS
from prn_pipeline.stages.evaluation.task_metrics import TaskMetrics

#: Columns that add up to the true pixels: found and missed.
TRUTH = [COLUMNS.index("true_positives"), COLUMNS.index("false_negatives")]
#: Whom PRN is compared with, by key of the JSON.
RIVALS = {"vs_base": "base", "vs_tuned_threshold": "tuned_threshold", "vs_rankseg": "rankseg", "vs_tta": "tta"}


def present(measured: pd.DataFrame) -> list[str]:
    """The methods that were measured, in the order of `METHODS`."""
    found = set(measured["method"])
    return [method for method in METHODS if method in found]


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
    measured: pd.DataFrame, resamples: int, seed: int, besides: Sequence[TaskMetrics] = ()
) -> dict[str, Any]:
    """Scores of every method with intervals, and PRN's paired gains.

    Args:
        measured: what `evaluation.measure` gave.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        besides: what the task has measured beside the counts.

    Returns:
        `n_test`, `n_independent` (groups of images that belong together: what intervals are over), `video` (images look
        like frames, and nothing says which belong together: intervals are too narrow), `methods` and `gain` of the
        scores JSON.
    """
    methods = present(measured)
    groups = groups_of(measured, methods[0])
    counts = {method: counts_of(measured, method) for method in methods}
    errors = {method: measured.loc[measured["method"] == method, "mae"].to_numpy() for method in methods}
    gain: dict[str, Any] = {
        key: paired_gain(counts["prn"], counts[rival], resamples, seed, groups)
        for key, rival in RIVALS.items()
        if rival in methods
    }
    more = [measures.scores(resamples, seed, groups) for measures in besides]
    before = mean_iou(counts["base"])
    worse = {method: float(100 * np.mean(mean_iou(counts[method]) < before)) for method in methods}
    return {
        "n_test": len(counts["base"]),
        "n_independent": independent(len(counts["base"]), groups)[0],
        "video": bool(measured["video"].any()) if "video" in measured else False,
        "methods": {
            method: scores(counts[method], errors[method])
            | {
                "iou_micro_ci95": interval(counts[method], resamples, seed, groups),
                "vs_base": paired_gain(counts[method], counts["base"], resamples, seed, groups),
                "images_worse_pct": worse[method],
            }
            | {name: value for scored in more for name, value in scored[method].items()}
            for method in methods
        },
        "gain": {**gain, "images_worse_pct": worse["prn"]},
    }


def per_image(measured: pd.DataFrame) -> pd.DataFrame:
    """IoU of every method on every test image: sample_id, iou_<method> ..., gain = iou_prn - iou_base.

    Of several classes a row a class that is in the image, with class_id; `row` is that of the test map.
    """
    of_base = measured[measured["method"] == "base"]
    table = of_base[[name for name in ("row", "sample_id", "class_id") if name in measured]].reset_index(drop=True)
    for method in present(measured):
        counts = measured.loc[measured["method"] == method, list(COLUMNS)].to_numpy(np.int64)
        table[f"iou_{method}"] = iou(counts)
        there = counts[:, TRUTH].sum(1) > 0
    table["gain"] = table["iou_prn"] - table["iou_base"]
    return table[there].reset_index(drop=True) if "class_id" in table else table


def _by_image(measured: pd.DataFrame, counts: np.ndarray) -> np.ndarray:
    return counts.reshape(-1, _maps_per_image(measured), len(COLUMNS))


def _maps_per_image(measured: pd.DataFrame) -> int:
    return int(measured["class_id"].max()) + 1 if "class_id" in measured else 1
