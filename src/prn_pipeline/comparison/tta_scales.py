"""TTA over flips at several scales of the image: the mean logits, and the same with a tuned threshold."""

from __future__ import annotations

from prn_pipeline.comparison.classes import by_image, from_class_logits
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned, from_logits
from prn_pipeline.comparison.tuned_threshold import above_threshold, most_above_threshold


def _mean(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta_scales is None else from_logits(maps.tta_scales)


def _mean_of_classes(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    classes = len(tuned.thresholds["base"])
    return None if maps.tta_scales is None else from_class_logits(by_image(maps.tta_scales, classes))


def _tuned(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta_scales is None else above_threshold(maps.tta_scales, tuned.thresholds["tta_scales"][0])


def _tuned_of_classes(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta_scales is None else most_above_threshold(maps.tta_scales, tuned.thresholds["tta_scales"])


TTA_SCALES = ComparisonMethod("tta_scales", "TTA (flips and scales)", "TTA scales", "baseline", _mean, _mean_of_classes)
TTA_SCALES_TUNED = ComparisonMethod(
    "tta_scales_tuned",
    "TTA (flips and scales), tuned",
    "TTA scales tuned",
    "baseline",
    _tuned,
    _tuned_of_classes,
    tuned_on="tta_scales",
)
