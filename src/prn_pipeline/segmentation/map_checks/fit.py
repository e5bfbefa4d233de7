"""How well maps fit the truth: the intersection over union under the best single threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Logits further from 0 are all alike: a probability is 0 or 1 to seven digits there.
LARGEST_LOGIT = 16.0
#: Thresholds that are tried, equally spaced between the lowest and the highest logit.
LEVELS = 256


class Truth(NamedTuple):
    """True masks at a reduced size.

    Attributes:
        foreground: share of each pixel that is foreground, float32 (n, s, s), in [0, weight].
        weight: share of each pixel that is not ignored, float32 (n, s, s), in [0, 1].
    """

    foreground: NDArray[np.float32]
    weight: NDArray[np.float32]


class Fit(NamedTuple):
    """A fit of maps to the truth.

    Attributes:
        iou: one intersection over one union over all images, at the best threshold for the images together.
        threshold: this threshold, a logit; the middle of those that are equally good. Foreground is from it on.
        by_image: IoU of each image at this threshold, float64 (n,); NaN where foreground is neither true nor predicted.
    """

    iou: float
    threshold: float
    by_image: NDArray[np.float64]


def fits(logits: NDArray[np.float32], truth: Truth) -> tuple[Fit, Fit]:
    """The fit of maps, and of their inverse, 1 - p.

    Args:
        logits: float32 (n, s, s).
        truth: of the same images.

    Returns:
        Fits of foreground above a threshold, and of foreground below it.
    """
    levels = _levels(logits, truth)
    above, below = (_best(*counts, levels.total, thresholds) for counts, thresholds in levels.both())
    return above, below


def best_of_each(logits: NDArray[np.float32], truth: Truth) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """IoU of each image at the threshold that is best for this image, of maps and of their inverse; float64 (n,)."""
    levels = _levels(logits, truth)
    above, below = (
        (hits / np.maximum(predicted + levels.total - hits, 1e-9)).max(1) for (hits, predicted), _ in levels.both()
    )
    return above, below


class _Levels(NamedTuple):
    """Pixels of each image by level of the logit, float64 (n, `LEVELS`)."""

    positive: NDArray[Any]
    valid: NDArray[Any]
    low: float
    step: float

    @property
    def total(self) -> NDArray[Any]:
        return self.positive.sum(1, keepdims=True)

    def both(self) -> Iterator[tuple[tuple[NDArray[Any], NDArray[Any]], NDArray[Any]]]:
        """Hits and predicted pixels with foreground above each threshold, and the thresholds; then those below it."""
        thresholds = self.low + self.step * np.arange(LEVELS)
        above, below = ((self.positive[:, ::-1], self.valid[:, ::-1]), (self.positive, self.valid))
        yield (np.cumsum(above[0], 1)[:, ::-1], np.cumsum(above[1], 1)[:, ::-1]), thresholds
        yield (np.cumsum(below[0], 1), np.cumsum(below[1], 1)), thresholds + self.step


def _levels(logits: NDArray[np.float32], truth: Truth) -> _Levels:
    clipped = np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT).astype(np.float64)
    low, high = float(clipped.min()), float(clipped.max())
    step = (high - low) / LEVELS or 1.0
    bins = np.minimum(((clipped - low) / step).astype(np.int64), LEVELS - 1)
    images = len(logits)
    cells = (bins + LEVELS * np.arange(images)[:, None, None]).ravel()
    positive, valid = (
        np.bincount(cells, one.ravel(), images * LEVELS).reshape(images, LEVELS)
        for one in (truth.foreground, truth.weight)
    )
    return _Levels(positive, valid, low, step)


def iou_at(logits: NDArray[np.float32], truth: Truth, threshold: float) -> float:
    """One intersection over one union at a threshold, a logit; 0 if nothing is predicted, NaN without foreground."""
    predicted = logits > threshold
    hits = float(truth.foreground[predicted].sum())
    union = float(truth.weight[predicted].sum()) + float(truth.foreground.sum()) - hits
    return hits / union if union else float("nan")


def everything(truth: Truth) -> float:
    """The IoU of a map that calls everything foreground: what a map without any information can reach."""
    return float(truth.foreground.sum() / max(float(truth.weight.sum()), 1e-9))


def _best(hits: NDArray[Any], predicted: NDArray[Any], total: NDArray[Any], thresholds: NDArray[Any]) -> Fit:
    """The best column of counts (n, levels)."""
    union = predicted + total - hits
    pooled = hits.sum(0) / np.maximum(union.sum(0), 1e-9)
    first = int(pooled.argmax())
    equal = pooled[first:] >= pooled[first] - 1e-9
    best = first + (len(equal) if equal.all() else int(equal.argmin())) // 2  # the middle, far from all values
    by_image = np.divide(hits[:, best], union[:, best], where=union[:, best] > 0, out=np.full(len(hits), np.nan))
    return Fit(float(pooled[best]), float(thresholds[best]), by_image)
