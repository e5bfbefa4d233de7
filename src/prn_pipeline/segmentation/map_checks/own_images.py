"""Whether maps fit the masks of their own images better than those of other images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.segmentation.map_checks.fit import Truth

#: Fewest images from which anything follows.
FEWEST = 8
#: Own maps fit better if the mean of the gains is this many of its standard errors above 0.
ERRORS = 2.0
#: They also do if their mean IoU is this many times that of other maps: many empty maps leave large errors.
TIMES = 1.5
#: Masks that are this much alike (their mean IoU) fit the maps of each other, whatever these say.
ALIKE = 0.6


class OwnFit(NamedTuple):
    """How maps fit.

    Attributes:
        own: mean IoU of maps with the masks of their own images.
        others: the same with the masks of other images.
        related: whether own maps fit better than chance explains; also True if too few images or masks that are alike
            leave it open.
    """

    own: float
    others: float
    related: bool


def own_fit(logits: NDArray[np.float32], truth: Truth, threshold: float) -> OwnFit:
    """Compare each mask with the maps of all images.

    Args:
        logits: float32 (n, s, s).
        truth: of the same images.
        threshold: logit from which on pixels are foreground.
    """
    number = len(logits)
    predicted = (logits >= threshold).reshape(number, -1).astype(np.float32)
    foreground, weight = truth.foreground.reshape(number, -1), truth.weight.reshape(number, -1)
    ious = _ious(predicted, foreground, weight)
    own = ious.diagonal()
    if number < FEWEST or _others(_ious((foreground > 0.5).astype(np.float32), foreground, weight)).mean() > ALIKE:
        return OwnFit(float(own.mean()), float("nan"), True)
    others = _others(ious)
    gains = own - others
    error = float(gains.std(ddof=1)) / number**0.5
    related = gains.mean() > ERRORS * error or own.mean() > TIMES * others.mean()
    return OwnFit(float(own.mean()), float(others.mean()), bool(related))


def _ious(predicted: NDArray[np.float32], foreground: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray:
    """IoU (n, n) of the map of the first index with the mask of the second."""
    hits = (predicted @ foreground.T).astype(np.float64)
    union = predicted @ weight.T + foreground.sum(1) - hits
    return hits / np.maximum(union, 1e-9)


def _others(ious: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean (n,) over the maps of all other images."""
    return (ious.sum(0) - ious.diagonal()) / max(len(ious) - 1, 1)
