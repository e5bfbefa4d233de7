"""What every method says of maps of several classes: which class each pixel has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import logit

from prn_pipeline.refinement.baselines.binarization import rankseg_classes
from prn_pipeline.segmentation.maps import normalised
from prn_pipeline.stages.evaluation.map_pairs import MapBatch
from prn_pipeline.stages.evaluation.methods import Prediction

#: Thresholds are kept so far from 0 and 1, which is the step at which they are tuned.
LEAST_THRESHOLD = 0.001


def class_predictions(maps: MapBatch, thresholds: Sequence[float]) -> dict[str, Prediction]:
    """What each method says of a batch of whole images, in the order of `methods.METHODS`.

    `tuned_threshold`: the class whose probability exceeds its own threshold most, in logits. There is no patch oracle:
    thresholds of patches, each best for one class, do not make one class a pixel.

    Args:
        maps: (N*C,H,W), the maps of an image together.
        thresholds: C of them, each tuned on val for its class.

    Returns:
        Masks bool (N*C,H,W), of which one is true a pixel; and probabilities of the classes, which sum to 1.
    """
    classes = len(thresholds)
    base = _by_image(maps.base, classes)
    said = {
        "base": _softmaxed(base),
        "tuned_threshold": Prediction(_chosen(base - _logits(thresholds)), None),
        "rankseg": Prediction(_masks(rankseg_classes(torch.from_numpy(normalised(base))).numpy(), classes), None),
    }
    if maps.tta is not None:
        said["tta"] = _softmaxed(_by_image(maps.tta, classes))
    return {**said, "prn": _softmaxed(_by_image(maps.refined, classes))}


def _logits(thresholds: Sequence[float]) -> np.ndarray:
    """Of thresholds (C,), float32 (C,1,1), finite: a class of threshold 0 would win everywhere."""
    inside = np.clip(np.array(thresholds, np.float32), LEAST_THRESHOLD, 1 - LEAST_THRESHOLD)
    return logit(inside)[:, None, None]


def _by_image(maps: np.ndarray, classes: int) -> np.ndarray:
    return maps.reshape(-1, classes, *maps.shape[1:])


def _softmaxed(logits: np.ndarray) -> Prediction:
    return Prediction(_chosen(logits), normalised(logits).reshape(-1, *logits.shape[2:]))


def _chosen(scores: np.ndarray) -> np.ndarray:
    return _masks(scores.argmax(1), scores.shape[1])


def _masks(ids: np.ndarray, classes: int) -> np.ndarray:
    """Class ids (N,H,W) -> bool (N*C,H,W)."""
    return (ids[:, None] == np.arange(classes)[:, None, None]).reshape(-1, *ids.shape[1:])
