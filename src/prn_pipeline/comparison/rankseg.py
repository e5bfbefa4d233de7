"""RankSEG: the masks of highest expected IoU, provided that the probabilities are calibrated."""

from __future__ import annotations

import numpy as np

from prn_pipeline.comparison.classes import by_image, one_hot
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned
from prn_pipeline.data.store.logits import normalised


def of_foreground(logits: np.ndarray) -> Prediction:
    """RankSEG's masks of foreground logits (N,H,W)."""
    import torch

    from prn_pipeline.refinement.baselines.decision_rules import RankSeg

    decided = RankSeg()(torch.from_numpy(logits)[:, None])[:, 0]
    return Prediction(decided.numpy() > 0, None)


def of_classes(logits: np.ndarray, classes: int) -> Prediction:
    """RankSEG's classes of one-vs-rest logits (N*C,H,W), one per pixel."""
    import torch

    from prn_pipeline.refinement.baselines.binarization import rankseg_classes

    probabilities = torch.from_numpy(normalised(by_image(logits, classes)))
    return Prediction(one_hot(rankseg_classes(probabilities).numpy(), classes), None)


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction:
    return of_foreground(maps.base)


def _predict_classes(maps: MapBatch, tuned: Tuned) -> Prediction:
    return of_classes(maps.base, len(tuned.thresholds["base"]))


RANKSEG = ComparisonMethod("rankseg", "RankSEG", "RankSEG", "baseline", _predict, _predict_classes)
