"""Saliency measures of a continuous map: F-measures, S-measure, E-measure, mean absolute error.

Probabilities are used as they are, not normalised to the range of each map. Thresholds are those of 8 bits.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, distance_transform_edt

from prn_pipeline.data.sample_format import IGNORE

#: Weight of precision in F (Achanta et al., CVPR 2009); weighted F takes 1 (Margolin et al., CVPR 2014).
BETA_SQUARED = 0.3
#: Thresholds of the curves: a value v of 0 .. 255 is above threshold t where v >= t.
LEVELS = 256
#: Half width and spread of the window over which weighted F spreads an error.
WINDOW, SPREAD = 3, 5.0
#: Pixels from the object at which a wrong pixel weighs 1.5 times as much as at its border; far away it weighs twice.
HALF_LIFE = 5.0
EPS = float(np.spacing(1))

Map: TypeAlias = NDArray[np.float64]
Truth: TypeAlias = NDArray[np.bool_]


class SaliencyMeasures(NamedTuple):
    """Measures of one map: three numbers, and F and E at every threshold from 255 down to 0, float64 (256,)."""

    mae: float
    weighted_f: float
    s_measure: float
    f_curve: NDArray[np.float64]
    e_curve: NDArray[np.float64]


def saliency_measures(probabilities: NDArray[np.floating], mask: NDArray[np.uint8]) -> SaliencyMeasures:
    """All measures of one map.

    Args:
        probabilities: (H,W) in [0, 1], or a mask of zeros and ones.
        mask: uint8 (H,W): 1 foreground. Ignored pixels (255) are taken for background, in map and truth.
    """
    truth = mask == 1
    salient = np.where(mask == IGNORE, 0.0, probabilities.astype(np.float64))
    f_curve, e_curve = _curves(salient, truth)
    return SaliencyMeasures(
        float(np.abs(salient - truth).mean()), _weighted_f(salient, truth), _s_measure(salient, truth), f_curve, e_curve
    )


def _curves(salient: Map, truth: Truth) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F-measure and E-measure (Fan et al., IJCAI 2018) at every threshold, from two cumulative histograms."""
    levels = (salient * (LEVELS - 1)).astype(np.uint8)
    hits, alarms = (
        np.cumsum(np.bincount(levels[where], minlength=LEVELS)[::-1]).astype(np.float64) for where in (truth, ~truth)
    )
    positives = hits + alarms
    precision, recall = hits / np.maximum(positives, 1), hits / max(int(truth.sum()), 1)
    weighted = (1 + BETA_SQUARED) * precision * recall
    f_curve = weighted / np.where(weighted == 0, 1, BETA_SQUARED * precision + recall)
    return f_curve, _alignment(hits, alarms, truth) / (truth.size - 1 + EPS)


def _alignment(hits: NDArray[np.float64], alarms: NDArray[np.float64], truth: Truth) -> NDArray[np.float64]:
    """Sum over pixels of the enhanced alignment of mask and truth, from the four counts at each threshold."""
    size, foreground = truth.size, int(truth.sum())
    positives = hits + alarms
    if foreground == 0:
        return size - positives
    if foreground == size:
        return positives
    predicted, true = positives / size, foreground / size
    misses = foreground - hits
    parts = (
        (hits, 1 - predicted, 1 - true),
        (alarms, 1 - predicted, -true),
        (misses, -predicted, 1 - true),
        (size - positives - misses, -predicted, -true),
    )
    return sum((pixels * (2 * a * b / (a * a + b * b + EPS) + 1) ** 2 / 4 for pixels, a, b in parts), np.zeros(LEVELS))


def _weighted_f(salient: Map, truth: Truth) -> float:
    """Weighted F-measure (Margolin et al., CVPR 2014); 0 where there is no foreground."""
    if not truth.any():
        return 0.0
    distance, nearest = distance_transform_edt(~truth, return_indices=True)
    error = np.abs(salient - truth)
    dependent = error[nearest[0], nearest[1]]  # background takes the error of the nearest foreground
    window = np.exp(-(np.arange(-WINDOW, WINDOW + 1) ** 2) / (2 * SPREAD**2))
    window /= window.sum()
    spread = correlate1d(correlate1d(dependent, window, 0, mode="constant"), window, 1, mode="constant")
    least = np.where(truth & (spread < error), spread, error)
    weighted = least * np.where(truth, 1.0, 2 - np.exp(np.log(0.5) / HALF_LIFE * distance))
    on, off = weighted[truth], weighted[~truth]
    hits = truth.sum() - on.sum()
    recall, precision = 1 - on.mean(), hits / (hits + off.sum() + EPS)
    return float(2 * recall * precision / (recall + precision + EPS))


def _s_measure(salient: Map, truth: Truth) -> float:
    """Structure measure (Fan et al., ICCV 2017), with equal weights of objects and regions."""
    share = truth.mean()
    if share == 0:
        return float(1 - salient.mean())
    if share == 1:
        return float(salient.mean())
    by_object = share * _object_similarity(salient[truth]) + (1 - share) * _object_similarity(1 - salient[~truth])
    return float(max(0.0, (by_object + _by_region(salient, truth)) / 2))


def _object_similarity(values: NDArray[np.float64]) -> float:
    mean, deviation = values.mean(), values.std(ddof=1) if values.size > 1 else 0.0
    return float(2 * mean / (mean**2 + 1 + deviation + EPS))


def _by_region(salient: Map, truth: Truth) -> float:
    """Structural similarity in the four quadrants around the centre of the object, weighted by area."""
    row, column = (int(centre) + 1 for centre in np.argwhere(truth).mean(axis=0).round())
    total = 0.0
    for rows in (slice(None, row), slice(row, None)):
        for columns in (slice(None, column), slice(column, None)):
            quadrant = truth[rows, columns]
            if quadrant.size:
                similarity = _similarity(salient[rows, columns], quadrant.astype(np.float64))
                total += quadrant.size / truth.size * similarity
    return total


def _similarity(salient: Map, truth: Map) -> float:
    mean, true_mean = salient.mean(), truth.mean()
    freedom = salient.size - 1 + EPS
    off, true_off = salient - mean, truth - true_mean
    numerator = 4 * mean * true_mean * (off * true_off).sum() / freedom
    denominator = (mean**2 + true_mean**2) * ((off**2).sum() + (true_off**2).sum()) / freedom
    if numerator != 0:
        return float(numerator / (denominator + EPS))
    return 1.0 if denominator == 0 else 0.0
