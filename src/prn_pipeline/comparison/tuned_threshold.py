"""The threshold, or one threshold per class, with the best iou_micro on maps that the refiner may learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logit

from prn_pipeline.comparison.classes import by_image, highest
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned

#: Thresholds of classes stay this far from 0 and 1: one step of the tuner's grid. Their logits are then finite.
MIN_THRESHOLD = 0.001


def above_threshold(logits: np.ndarray, threshold: float) -> Prediction:
    """Foreground where the probability of logits (N,H,W) exceeds the threshold."""
    import torch

    from prn_pipeline.refinement.baselines.decision_rules import FixedThreshold

    thresholded = FixedThreshold(threshold)(torch.from_numpy(logits)[:, None])[:, 0]
    return Prediction(thresholded.numpy() > 0, None)


def most_above_threshold(logits: np.ndarray, thresholds: Sequence[float]) -> Prediction:
    """For each pixel, the class whose logit exceeds the logit of its own threshold most; logits (N*C,H,W)."""
    clipped = np.clip(np.array(thresholds, np.float32), MIN_THRESHOLD, 1 - MIN_THRESHOLD)
    margins = by_image(logits, len(thresholds)) - logit(clipped)[:, None, None]
    return Prediction(highest(margins), None)


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction:
    return above_threshold(maps.base, tuned.thresholds["base"][0])


def _predict_classes(maps: MapBatch, tuned: Tuned) -> Prediction:
    return most_above_threshold(maps.base, tuned.thresholds["base"])


TUNED_THRESHOLD = ComparisonMethod(
    "tuned_threshold", "One tuned threshold", "tuned", "baseline", _predict, _predict_classes, tuned_on="base"
)
