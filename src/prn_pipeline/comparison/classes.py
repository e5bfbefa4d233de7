"""Maps of several classes, stored as (N*C,H,W) with the classes of one image in adjacent rows."""

from __future__ import annotations

import numpy as np

from prn_pipeline.comparison.method import Prediction
from prn_pipeline.data.store.logits import normalised


def by_image(maps: np.ndarray, classes: int) -> np.ndarray:
    """Maps (N*C,H,W) -> (N,C,H,W)."""
    return maps.reshape(-1, classes, *maps.shape[1:])


def one_hot(ids: np.ndarray, classes: int) -> np.ndarray:
    """Class ids (N,H,W) -> bool (N*C,H,W)."""
    return (ids[:, None] == np.arange(classes)[:, None, None]).reshape(-1, *ids.shape[1:])


def highest(scores: np.ndarray) -> np.ndarray:
    """Scores (N,C,H,W) -> bool (N*C,H,W), true for the class with the highest score at each pixel."""
    return one_hot(scores.argmax(1), scores.shape[1])


def from_class_logits(logits: np.ndarray) -> Prediction:
    """One-vs-rest logits (N,C,H,W) -> the class of the highest logit, and probabilities that sum to 1."""
    return Prediction(highest(logits), normalised(logits).reshape(-1, *logits.shape[2:]))
