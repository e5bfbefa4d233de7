"""The refiner of the run. The evaluation stage stores its logits before it compares methods."""

from __future__ import annotations

from prn_pipeline.comparison.classes import by_image, from_class_logits
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned, from_logits


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction:
    return from_logits(maps.refined)


def _predict_classes(maps: MapBatch, tuned: Tuned) -> Prediction:
    return from_class_logits(by_image(maps.refined, len(tuned.thresholds["base"])))


REFINED = ComparisonMethod("refined", "Refined", "refined", "refined", _predict, _predict_classes)
