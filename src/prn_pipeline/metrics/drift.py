"""How far new images and maps are from those that a refiner learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, permutation_test

from prn_pipeline.metrics.descriptions import Descriptions

RESAMPLES = 999


class Distance(NamedTuple):
    """Of new images from the reference in one respect.

    Attributes:
        name: of a statistic, "confidence histogram" or "patch bias".
        distance: 0 is equal. Kolmogorov-Smirnov of a statistic and Jensen-Shannon of histograms end at 1; that of the
            patch bias is in standard deviations between images.
        p: how often images of one kind would differ so much.
    """

    name: str
    distance: float
    p: float


def distances(
    reference: Descriptions, found: Descriptions, names: Sequence[str], resamples: int = RESAMPLES
) -> list[Distance]:
    """How far `found` is from `reference` in every respect that both have.

    p of a statistic is the Kolmogorov-Smirnov test's; of the others that of a permutation test: how often a random
    split of all images into two such groups is as far apart.
    """
    apart = []
    for name, before, after in zip(names, reference.values.T, found.values.T, strict=True):
        if np.isfinite(before).all() and np.isfinite(after).all():
            test = ks_2samp(before, after)
            apart.append(Distance(name, float(test.statistic), float(test.pvalue)))
    spread = float(np.sqrt(reference.corrections.var(0).mean())) or 1.0

    def patch_bias(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        return float(np.sqrt(np.mean((one.mean(0) - other.mean(0)) ** 2))) / spread

    def histogram(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        return float(jensenshannon(one.mean(0), other.mean(0), base=2))

    apart.append(_permuted("confidence histogram", reference.histograms, found.histograms, histogram, resamples))
    apart.append(_permuted("patch bias", reference.corrections, found.corrections, patch_bias, resamples))
    return apart


def _permuted(
    name: str,
    reference: NDArray[np.float32],
    found: NDArray[np.float32],
    distance: Callable[[NDArray[np.float32], NDArray[np.float32]], float],
    resamples: int,
) -> Distance:
    together = np.concatenate([reference, found])
    test = permutation_test(
        (np.arange(len(reference)), np.arange(len(reference), len(together))),
        lambda one, other: distance(together[one], together[other]),
        alternative="greater",
        n_resamples=resamples,
        vectorized=False,
        rng=0,
    )
    return Distance(name, float(test.statistic), float(test.pvalue))
