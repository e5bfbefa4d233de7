"""RankSEG on the mean over flips: the two best-known methods that need neither labels nor training, together."""

from __future__ import annotations

from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned
from prn_pipeline.comparison.rankseg import of_classes, of_foreground


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta is None else of_foreground(maps.tta)


def _predict_classes(maps: MapBatch, tuned: Tuned) -> Prediction | None:
    return None if maps.tta is None else of_classes(maps.tta, len(tuned.thresholds["base"]))


TTA_RANKSEG = ComparisonMethod("tta_rankseg", "RankSEG on TTA", "TTA RankSEG", "baseline", _predict, _predict_classes)
