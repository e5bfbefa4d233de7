"""Gain of one model over another on the same images, with an interval and an exact test over independent units.

A unit is a group of images that belong together, such as the frames of a video, or a single image without a group. The
percentile bootstrap of `metrics.bootstrap` is too narrow for few units and for the small error probabilities of a
decision that is repeated; the t-interval and the sign-flip test here are not, and need no random numbers.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from scipy.stats import t as student

from prn_pipeline.metrics.bootstrap import LEVEL, Groups, independent
from prn_pipeline.metrics.scores import by_class, mean_iou, present_in_truth

#: Steps of the grid on which the sums of the sign-flip test lie: at least `STEPS`, and `STEPS_PER_UNIT` per unit.
STEPS, STEPS_PER_UNIT = 4096, 16


class UnitGain(TypedDict):
    """Gain in iou_micro: two-sided 95 % interval, and the one-sided p of the sign-flip test."""

    iou_micro: float
    ci95: list[float]
    p: float


def by_unit(counts: np.ndarray, groups: Groups = None) -> np.ndarray:
    """Sums of the counts of each unit: int64 (images, C, 6) or (images, 6) -> (units, C, 6).

    Raises:
        ValueError: an image has no group.
    """
    counts = by_class(counts)
    units, of_image = independent(len(counts), groups)
    sums = np.zeros((units, *counts.shape[1:]), np.int64)
    np.add.at(sums, of_image, counts)
    return sums


def unit_gain(challenger: np.ndarray, champion: np.ndarray) -> UnitGain:
    """Gain of the challenger.

    Args:
        challenger: counts int64 (units, C, 6), see `by_unit`.
        champion: counts int64 (units, C, 6), of the same units in the same order.
    """
    width = margin_of_error(challenger, champion, (1 - LEVEL) / 2)
    gain = float(_gain(challenger.sum(0), champion.sum(0)))
    return {
        "iou_micro": gain,
        "ci95": [max(gain - width, -1.0), min(gain + width, 1.0)],
        "p": sign_flip_p(challenger, champion),
    }


def lower_bound(challenger: np.ndarray, champion: np.ndarray, alpha: float) -> float:
    """One-sided lower bound of the gain in iou_micro, which exceeds the true gain with probability `alpha`; >= -1."""
    gain = float(_gain(challenger.sum(0), champion.sum(0)))
    return max(gain - margin_of_error(challenger, champion, alpha), -1.0)


def margin_of_error(challenger: np.ndarray, champion: np.ndarray, alpha: float) -> float:
    """Difference of gain and true gain that is exceeded upwards with probability `alpha`; 2 for a single unit.

    Student's t with units - 1 degrees of freedom, and the jackknife's standard error: how much the gain changes where
    a unit is left out.
    """
    units = len(challenger)
    if units < 2:
        return 2.0
    without = _gain(challenger.sum(0) - challenger, champion.sum(0) - champion)
    error = np.sqrt((units - 1) / units * ((without - without.mean()) ** 2).sum())
    return float(student.isf(alpha, units - 1) * error)


def sign_flip_p(challenger: np.ndarray, champion: np.ndarray) -> float:
    """Probability of a gain at least this large if challenger and champion are equally good; in [0, 1], one-sided.

    Of equally good models it is chance which of the two made which result of a unit: each of the 2^units exchanges is
    as probable as the one that was observed. The gain is a sum of effects of units whose signs the exchanges flip, and
    the distribution of the sum is computed exactly, on a grid. So the test holds for any number of units and any
    size of their effects.
    """
    effects = _effects(challenger, champion)
    total = np.abs(effects).sum()
    if not total:
        return 1.0
    steps = np.rint(np.abs(effects) / total * max(STEPS, STEPS_PER_UNIT * len(effects))).astype(np.int64)
    chances, reached = np.zeros(steps.sum() + 1), 0  # of the sum of the units that have a positive sign
    chances[0] = 1.0
    for step in steps[steps > 0]:
        before = chances[: reached + 1] / 2
        chances[: reached + 1] = before
        chances[step : reached + step + 1] += before
        reached += int(step)
    return float(min(1.0, chances[steps[effects > 0].sum() :].sum()))


def _gain(challenger: np.ndarray, champion: np.ndarray) -> np.ndarray:
    return np.asarray(mean_iou(challenger) - mean_iou(champion))


def _effects(challenger: np.ndarray, champion: np.ndarray) -> np.ndarray:
    """Contribution of each unit to the gain, float64 (units,): its sign changes if the two models are exchanged there.

    With intersection and union averaged over both models, I and U, the effect of a class is (dI U - I dU) / U^2, whose
    sum has the sign of the difference of the two IoUs. I and U do not change if the models are exchanged in a unit.
    """
    intersections = np.stack([one[..., 0] for one in (challenger, champion)]).astype(float)
    unions = np.stack([one[..., :3].sum(-1) for one in (challenger, champion)]).astype(float)
    intersection, union = intersections.sum(1).mean(0), np.maximum(unions.sum(1).mean(0), 1)
    effects = ((intersections[0] - intersections[1]) * union - intersection * (unions[0] - unions[1])) / union**2
    classes = present_in_truth(champion.sum(0))
    return np.asarray(effects[:, classes if classes.any() else ~classes].mean(1))
