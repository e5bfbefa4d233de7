"""A curve of gains that level off as labelled images are added: gain(n) = limit - drop * n ** -exponent.

A power law is what learning curves follow in most studies, and it has few enough parameters for a handful of sizes. It
cannot fall: where fewer images did better by chance, the best fit is a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: Exponents to choose from. With smaller ones the limit would lie far beyond what any number of images can show.
EXPONENTS = (0.5, 1.0, 2.0)
#: With fewer sizes than parameters, the first exponent is taken: the one of a mean over n images.
SIZES_FOR_CHOICE = 3


class Curves(NamedTuple):
    """Parameters of curves, float64 (curves,) each."""

    limit: np.ndarray
    drop: np.ndarray
    exponent: np.ndarray

    def at(self, images: float) -> np.ndarray:
        """Gain of each curve at a number of images, float64 (curves,)."""
        return np.asarray(self.limit - self.drop * images**-self.exponent)


def fit_curves(sizes: Sequence[float], gains: np.ndarray, most: float = np.inf) -> Curves:
    """Least squares, every size counting alike, with drop >= 0 and limit <= `most`.

    Args:
        sizes: numbers of images, at least two different ones, each >= 1.
        gains: float (curves, sizes).
        most: the largest gain that is possible.

    Raises:
        ValueError: fewer than two different sizes.
    """
    images = np.asarray(sizes, float)
    if len(np.unique(images)) < 2:
        raise ValueError(f"a curve needs two different numbers of images, got {list(sizes)}")
    exponents = EXPONENTS if len(images) >= SIZES_FOR_CHOICE else EXPONENTS[:1]
    fits = [_fit(images**-exponent, gains, most) for exponent in exponents]
    errors = np.stack([error for _, _, error in fits])
    best = errors.argmin(0)
    every = np.arange(len(gains))
    limits, drops = (np.stack(values)[best, every] for values in list(zip(*fits, strict=True))[:2])
    return Curves(limits, drops, np.array(exponents)[best])


def _fit(x: np.ndarray, gains: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limit, drop and sum of squared errors of gain = limit - drop * x, for each row of `gains`."""
    centred, means = x - x.mean(), gains.mean(1)
    drop = np.maximum(-(gains @ centred) / (centred**2).sum(), 0.0)
    limit = means + drop * x.mean()
    beyond = limit > most
    drop = np.where(beyond, np.maximum((most - gains) @ x / (x**2).sum(), 0.0), drop)
    limit = np.where(beyond, most, limit)
    return limit, drop, ((limit[:, None] - drop[:, None] * x - gains) ** 2).sum(1)
