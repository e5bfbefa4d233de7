"""Means over seeds with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, t

#: Half the width of a 95 % interval, in standard errors.
WIDTH = float(norm.ppf(0.975))


class Estimate(NamedTuple):
    """A mean over seeds with its 95 % interval; NaN where unknown."""

    mean: float
    low: float
    high: float


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def over_seeds(values: Sequence[tuple[float, Sequence[float]]]) -> Estimate:
    """Mean of a few runs, each with its own 95 % interval over images.

    Runs share their test images, so variance over images does not average out; variance between seeds does. The total
    variance is the mean variance over images plus the variance between seeds divided by their number. A few seeds
    estimate their variance roughly, so the interval is Student's t with the degrees of freedom of Satterthwaite (1946).

    Args:
        values: (value, (low, high)) of each run.
    """
    if not values:
        return UNKNOWN
    means = np.array([value for value, _ in values])
    errors = np.array([(high - low) / (2 * WIDTH) for _, (low, high) in values])
    between = float(means.var(ddof=1)) / len(means) if len(means) > 1 else 0.0
    variance = float((errors**2).mean()) + between
    freedom = (len(means) - 1) * (variance / between) ** 2 if between else math.inf
    half = float(t.ppf(0.975, freedom)) * math.sqrt(variance)
    return Estimate(float(means.mean()), float(means.mean()) - half, float(means.mean()) + half)


def mean_or_nan(values: Sequence[float | None]) -> float:
    """The mean; NaN where one value is unknown."""
    return float(np.mean([math.nan if value is None else value for value in values]))
