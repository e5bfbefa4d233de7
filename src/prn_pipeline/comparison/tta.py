"""Test-time augmentation (TTA): the mean of the base model's logits over flips, and the same with a tuned threshold."""

from __future__ import annotations

from prn_pipeline.comparison.classes import by_image, from_class_logits
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned, from_logits
from prn_pipeline.comparison.tuned_threshold import above_threshold, most_above_threshold


def _mean(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta is None else from_logits(maps.tta)


def _mean_of_classes(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta is None else from_class_logits(by_image(maps.tta, len(tuned.thresholds["base"])))


def _tuned(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta is None else above_threshold(maps.tta, tuned.thresholds["tta"][0])


def _tuned_of_classes(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta is None else most_above_threshold(maps.tta, tuned.thresholds["tta"])


TTA = ComparisonMethod("tta", "TTA (flips)", "TTA", "baseline", _mean, _mean_of_classes)
TTA_TUNED = ComparisonMethod(
    "tta_tuned", "TTA with one tuned threshold", "TTA tuned", "baseline", _tuned, _tuned_of_classes, tuned_on="tta"
)
