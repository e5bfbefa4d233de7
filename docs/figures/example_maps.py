"""Maps to draw: scenes of the embedded data set, and a base model so small that it is fitted in a second."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from prn_pipeline.data.settings import SyntheticSettings
from prn_pipeline.data.synthetic.scene import draw_scene

SIZE = 128
#: Scenes that the base model learns from, and all of them.
LEARNED, SCENES = 24, 72


class ExampleMaps(NamedTuple):
    """Scenes that the base model has not learned from: uint8 (N,S,S,3), uint8 (N,S,S), float64 logits (N,S,S)."""

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    logits: NDArray[np.float64]


@cache
def example_maps() -> ExampleMaps:
    """Maps of a logistic regression on the colours of a pixel and of its surroundings."""
    settings = SyntheticSettings(size=SIZE, seed=0)
    drawn = [draw_scene(index, settings) for index in range(SCENES)]
    images, masks = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    features = colour_features(images)
    weights = fit_logistic(features[:LEARNED], masks[:LEARNED], np.zeros(masks[:LEARNED].shape))
    return ExampleMaps(images[LEARNED:], masks[LEARNED:], features[LEARNED:] @ weights)


def colour_features(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Colours, their local means, the squares of both, and 1: float64 (N,S,S,13)."""
    colours = images / 255
    around = gaussian_filter(colours, (0, 3, 3, 0))
    return np.concatenate([colours, around, colours**2, around**2, np.ones((*images.shape[:3], 1))], axis=-1)


def fit_logistic(
    features: NDArray[np.float64], masks: NDArray[np.uint8], start: NDArray[np.float64], ridge: float = 1e-3
) -> NDArray[np.float64]:
    """Weights of the features that, added to the logits `start`, explain the masks best: Newton's method."""
    count = features.shape[-1]
    table, truth, known = features.reshape(-1, count), masks.ravel(), start.ravel()
    weights = np.zeros(count)
    for _ in range(15):
        probabilities = 1 / (1 + np.exp(-known - table @ weights))
        curvature = (table * (probabilities * (1 - probabilities))[:, None]).T @ table + ridge * np.eye(count)
        weights += np.linalg.solve(curvature, table.T @ (truth - probabilities) - ridge * weights)
    return weights


def iou(predictions: NDArray[np.bool_], masks: NDArray[np.uint8]) -> float:
    """Intersection over union of all pixels; 1 if both are empty."""
    union = (predictions | (masks == 1)).sum()
    return float((predictions & (masks == 1)).sum() / union) if union else 1.0
