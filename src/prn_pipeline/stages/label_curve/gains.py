"""Gains of a refiner at each number of labelled images, with a bootstrap over draws and groups of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from prn_pipeline.comparison import table
from prn_pipeline.comparison.refined import REFINED
from prn_pipeline.metrics.counts import COLUMNS
from prn_pipeline.metrics.scores import mean_iou, present_in_truth
from prn_pipeline.stages.label_curve.draws import LabelDraw
from prn_pipeline.stages.label_curve.measuring import METHOD

#: What the free methods and the refiner have in common: counts int64 (images, C, 6) by method.
Counts = dict[str, np.ndarray]


@dataclass(frozen=True)
class Point:
    """What was measured on one draw.

    Attributes:
        draw: the draw.
        groups: group of each held-out image.
        counts: of the free methods and the refiner, on the same images in the same order.
        seconds: that fitting the refiner took.
    """

    draw: LabelDraw
    groups: np.ndarray
    counts: Counts
    seconds: float

    def iou(self, method: str) -> float:
        """iou_micro of a method on the held-out images."""
        return float(mean_iou(self.counts[method].sum(0)))


@dataclass(frozen=True)
class Resamples:
    """Which groups and which draws each resample has.

    Groups are drawn with replacement from all labelled ones, and the same groups for all sizes and methods. Of D draws,
    D - 1 are drawn with replacement, because D of D would vary too little by a factor of (D - 1) / D.

    Attributes:
        weights: group -> number of times that it is in each resample, int64 (resamples,).
        draws: numbers of draws, int64 (resamples, D - 1); (resamples, 1) for a single draw.
    """

    weights: Mapping[object, np.ndarray]
    draws: np.ndarray


def resamples(groups: Sequence[object], draws: int, count: int, seed: int) -> Resamples:
    """`count` resamples of different `groups` and of the draws 0 .. `draws` - 1."""
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), size=count)
    chosen = rng.integers(0, draws, (count, max(1, draws - 1)))
    return Resamples(dict(zip(groups, weights.T, strict=True)), chosen)


def point_of(draw: LabelDraw, free: pd.DataFrame, refined: pd.DataFrame, seconds: float) -> Point:
    """The tables of `measuring` as arrays."""
    counts = {
        str(method): _by_image(counted[counted[METHOD] == method])
        for counted in (free, refined)
        for method in counted[METHOD].drop_duplicates()
    }
    of_images = refined.drop_duplicates("sample_id")
    return Point(draw, of_images["group"].to_numpy(), counts, seconds)


def best_free(points: Sequence[Point]) -> str:
    """The method without training that has the best mean iou_micro over these draws, on the images measured on."""
    return max(
        table.without_training(points[0].counts), key=lambda name: np.mean([point.iou(name) for point in points])
    )


def gains(points: Sequence[Point], over: str, method: str = REFINED.name) -> list[float]:
    """Gain of the refiner, or of another method, over a method in iou_micro, one number per draw."""
    return [point.iou(method) - point.iou(over) for point in points]


def resampled_gains(points: Sequence[Point], over: str, by: Resamples, method: str = REFINED.name) -> np.ndarray:
    """Mean gain over the draws of one size in each resample, float64 (resamples,); NaN where it has no object."""
    of_draw = np.stack([_resampled(point, over, by, method) for point in points])
    return np.asarray(of_draw[by.draws.T, np.arange(len(by.draws))].mean(0))


def _resampled(point: Point, over: str, by: Resamples, method: str) -> np.ndarray:
    weights = np.stack([by.weights[group] for group in point.groups], axis=1)
    drawn = {}
    for name in (method, over):
        counts = point.counts[name]
        drawn[name] = (weights @ counts.reshape(len(counts), -1)).reshape(-1, *counts.shape[1:])
    has_objects = present_in_truth(drawn[over]).any(-1)
    return np.where(has_objects, mean_iou(drawn[method]) - mean_iou(drawn[over]), np.nan)


def _by_image(counted: pd.DataFrame) -> np.ndarray:
    """Counts int64 (images, C, 6)."""
    classes = int(counted["class_id"].max()) + 1 if "class_id" in counted else 1
    return counted[list(COLUMNS)].to_numpy(np.int64).reshape(-1, classes, len(COLUMNS))
