"""Drift: distances of new images and maps from those that a refiner was trained on."""

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
    """Distance of new images from the reference in one statistic.

    Attributes:
        name: of a statistic, "confidence histogram" or "patch bias".
        distance: 0 means equal. The Kolmogorov-Smirnov distance of a statistic and the Jensen-Shannon distance of
            histograms are at most 1; the distance of the patch bias is in standard deviations between images.
        p: probability of a distance at least this large between images of one distribution.
    """

    name: str
    distance: float
    p: float


def distances(
    reference: Descriptions, found: Descriptions, names: Sequence[str], resamples: int = RESAMPLES
) -> list[Distance]:
    """Distances of `found` from `reference` in every statistic that both have.

    The p of a statistic comes from the Kolmogorov-Smirnov test. The others come from a permutation test: the share of
    random splits of all images into groups of the same sizes that are at least as far apart.
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
    pooled = np.concatenate([reference, found])
    test = permutation_test(
        (np.arange(len(reference)), np.arange(len(reference), len(pooled))),
        lambda one, other: distance(pooled[one], pooled[other]),
        alternative="greater",
        n_resamples=resamples,
        vectorized=False,
        rng=0,
    )
    return Distance(name, float(test.statistic), float(test.pvalue))
