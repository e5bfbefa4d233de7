"""The unchanged base model: p > 0.5, or the class of the highest probability."""

from __future__ import annotations

from prn_pipeline.comparison.classes import by_image, from_class_logits
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned, from_logits


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction:
    return from_logits(maps.base)


def _predict_classes(maps: MapBatch, tuned: Tuned) -> Prediction:
    return from_class_logits(by_image(maps.base, len(tuned.thresholds["base"])))


BASE_MODEL = ComparisonMethod("base", "Base model", "base", "base", _predict, _predict_classes)
