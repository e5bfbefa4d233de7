"""Whether maps fit the masks of their own images better than those of other images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from prn_pipeline.segmentation.map_checks.fit import Truth

#: Fewest images from which anything follows.
FEWEST = 8
#: Own maps fit better if the mean of the gains is this many of its standard errors above 0.
ERRORS = 2.0
#: They also do if their mean IoU is this many times that of other maps: many empty maps leave large errors.
TIMES = 1.5
#: Maps are called useless if they rank foreground of their own image higher than that of others by less than this, with
#: `ERRORS` standard errors added: a difference of two areas under the ROC curve. The weakest honest maps so far, of
#: polyps by a model of salient objects, have 0.08, and on 32 images 0.06 more by their error.
USEFUL = 0.1
#: Masks that are this much alike (their mean IoU) fit the maps of each other, whatever these say.
ALIKE = 0.6


class OwnFit(NamedTuple):
    """How maps fit.

    Attributes:
        own: mean IoU of maps with the masks of their own images.
        others: the same with the masks of other images.
        related: whether own maps fit better than chance explains, by IoU or by the ranks of pixels; also True if too
            few images or masks that are alike leave it open.
        useless: whether a model that is of any use (`USEFUL`) would have been related.
    """

    own: float
    others: float
    related: bool
    useless: bool = False


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
    higher = _separations(logits.reshape(number, -1), foreground, weight)
    ahead = higher.diagonal() - _others(higher)
    related = (
        gains.mean() > ERRORS * _error(gains)
        or own.mean() > TIMES * others.mean()
        or ahead.mean() > ERRORS * _error(ahead)
    )
    useless = not related and ahead.mean() + ERRORS * _error(ahead) < USEFUL
    return OwnFit(float(own.mean()), float(others.mean()), bool(related), bool(useless))


def _ious(predicted: NDArray[np.float32], foreground: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray:
    """IoU (n, n) of the map of the first index with the mask of the second."""
    hits = (predicted @ foreground.T).astype(np.float64)
    union = predicted @ weight.T + foreground.sum(1) - hits
    return hits / np.maximum(union, 1e-9)


def _separations(
    logits: NDArray[np.float32], foreground: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float64]:
    """By how much the map of the first index ranks the foreground of the second higher than its background (n, n).

    The area under the ROC curve less a half, exactly if the same pixels are ignored in all images: those that no image
    has are not ranked. It uses a map where no threshold does, so it recognises a weak model on far fewer images than
    IoU.
    """
    valid = weight.any(0)
    foreground, weight, ranks = foreground[:, valid], weight[:, valid], rankdata(logits[:, valid], axis=1) / valid.sum()
    background = weight - foreground
    inside, outside = (part / np.maximum(part.sum(1, keepdims=True), 1e-9) for part in (foreground, background))
    found: NDArray[np.float64] = ranks @ (inside - outside).T
    return found


def _others(fits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean (n,) over the maps of all other images."""
    return (fits.sum(0) - fits.diagonal()) / max(len(fits) - 1, 1)


def _error(gains: NDArray[np.float64]) -> float:
    """Standard error of the mean."""
    return float(gains.std(ddof=1)) / len(gains) ** 0.5
