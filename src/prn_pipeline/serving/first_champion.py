"""What a predictor must achieve to become the first champion, where there is none to compare it with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from prn_pipeline.comparison.scores_file import BEST_FREE, DOUBTED_MAPS
from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.metrics.scores import mean_iou, present_in_truth
from prn_pipeline.serving.promotion_settings import Check, FirstChampionSettings


def shortcoming(
    counts: np.ndarray, scores: Mapping[str, Any], settings: FirstChampionSettings, too_few: str | None = None
) -> str | None:
    """Why a predictor must not become the first champion; None if it may.

    Args:
        counts: int64 (images, C, 6) of the predictor, at native size.
        scores: scores JSON of its run; `base_predicts`, `doubted_maps` and `gain` are read.
        settings: the least quality.
        too_few: that the test set is too small to judge anything; None if it is not.
    """
    if too_few and "smallest_test" in settings.checks:
        return too_few + _key("smallest_test")
    total = counts.sum(0)
    iou, constant = float(mean_iou(total)), _best_constant(total)
    found = f"its iou_micro is {iou:.3f} on {len(counts)} test images"
    if iou < settings.least_iou:
        return f"{found}, below the least of {settings.least_iou:g} (`promotion.first_champion.least_iou`)"
    if fault := _fault_of_base_model(scores, settings):
        return fault
    if "constant" in settings.checks and iou <= constant < 1:
        return f"{found}, but predicting one class everywhere has {constant:.3f}" + _key("constant")
    free = scores["gain"].get(BEST_FREE) if "gain" in scores else None
    allowed = -settings.best_free_tolerance
    if "best_free" in settings.checks and free is not None and free["ci95"][1] < 0 and free["iou_micro"] < allowed:
        low, high = (100 * bound for bound in free["ci95"])
        return (
            f"it is worse than {free['method']}, which needs no training, by {-100 * free['iou_micro']:.2f} points of"
            f" iou_micro [{low:+.2f}, {high:+.2f}]" + _key("best_free")
        )
    return None


def _fault_of_base_model(scores: Mapping[str, Any], settings: FirstChampionSettings) -> str | None:
    if "constant_base" in settings.checks and "base_predicts" in scores:
        predicts = scores["base_predicts"]
        return f"its base model predicts {predicts}: train it longer, or check its maps" + _key("constant_base")
    if "doubted_maps" in settings.checks and scores.get(DOUBTED_MAPS):
        found = "the maps of its base model may be misread, as its report says: correct their settings"
        return found + _key("doubted_maps")
    return None


def _best_constant(total: np.ndarray) -> float:
    """iou_micro of the best method that predicts foreground, or one class, everywhere: counts (C, 6) -> [0, 1]."""
    truth = total[:, [COLUMNS.index("true_positives"), COLUMNS.index("false_negatives")]].sum(1)
    pixels = total[0, :4].sum()
    return float(truth.max() / pixels / max(1, present_in_truth(total).sum())) if pixels else 0.0


def _key(check: Check) -> str:
    return f" (to allow it, leave {check} out of `promotion.first_champion.checks`)"
