"""RankSEG: the masks of highest expected IoU, provided that the probabilities are calibrated."""

from __future__ import annotations

import torch

from prn_pipeline.comparison.classes import by_image, one_hot
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned
from prn_pipeline.refinement.baselines.binarization import rankseg_classes
from prn_pipeline.refinement.baselines.decision_rules import RankSeg
from prn_pipeline.segmentation.maps import normalised


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction:
    logits = RankSeg()(torch.from_numpy(maps.base)[:, None])[:, 0]
    return Prediction(logits.numpy() > 0, None)


def _predict_classes(maps: MapBatch, tuned: Tuned) -> Prediction:
    classes = len(tuned.thresholds["base"])
    probabilities = torch.from_numpy(normalised(by_image(maps.base, classes)))
    return Prediction(one_hot(rankseg_classes(probabilities).numpy(), classes), None)


RANKSEG = ComparisonMethod("rankseg", "RankSEG", "RankSEG", "baseline", _predict, _predict_classes)
