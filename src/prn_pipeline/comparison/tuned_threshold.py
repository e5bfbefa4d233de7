"""One threshold, or one per class, that is best on maps the refiner may learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import logit

from prn_pipeline.comparison.classes import by_image, highest
from prn_pipeline.comparison.method import ComparisonMethod, MapBatch, Prediction, Tuned
from prn_pipeline.refinement.baselines.decision_rules import FixedThreshold

#: Thresholds of classes are kept this far from 0 and 1, which is the step at which they are tuned.
LEAST_THRESHOLD = 0.001


def above_threshold(logits: np.ndarray, threshold: float) -> Prediction:
    """Foreground where the probability of logits (N,H,W) exceeds the threshold."""
    decided = FixedThreshold(threshold)(torch.from_numpy(logits)[:, None])[:, 0]
    return Prediction(decided.numpy() > 0, None)


def most_above_threshold(logits: np.ndarray, thresholds: Sequence[float]) -> Prediction:
    """The class whose probability exceeds its own threshold most, in logits; logits (N*C,H,W)."""
    inside = np.clip(np.array(thresholds, np.float32), LEAST_THRESHOLD, 1 - LEAST_THRESHOLD)
    bounds = logit(inside)[:, None, None]  # finite: a class of threshold 0 would win everywhere
    return Prediction(highest(by_image(logits, len(thresholds)) - bounds), None)


def _predict(maps: MapBatch, tuned: Tuned) -> Prediction:
    return above_threshold(maps.base, tuned.thresholds["base"][0])


def _predict_classes(maps: MapBatch, tuned: Tuned) -> Prediction:
    return most_above_threshold(maps.base, tuned.thresholds["base"])


TUNED_THRESHOLD = ComparisonMethod(
    "tuned_threshold", "One tuned threshold", "tuned", "baseline", _predict, _predict_classes, tuned_on="base"
)
