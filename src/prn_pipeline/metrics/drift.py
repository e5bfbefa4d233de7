"""Drift: distances of new images and maps from those that a refiner was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr
from scipy.stats import ks_2samp

from prn_pipeline.metrics.descriptions import Descriptions

#: Random splits of a permutation test, in multiples of the fewest that can show significance.
RESAMPLES_PER_LEAST = 4
#: A permutation test ends once this many random splits are as far apart as the two sets: they do not differ.
ENOUGH = 20
#: Random splits that are computed at a time.
BLOCK = 250
#: Relative difference between equal distances that are summed in another order.
ROUNDING = 1e-9

#: Mean rows of the two sets, (R,K) each -> distances (R,).
DistanceOfMeans = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


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
    reference: Descriptions, found: Descriptions, names: Sequence[str], level: float = 0.01
) -> list[Distance]:
    """Distances of `found` from `reference` in every statistic that both have.

    The p of a statistic comes from the Kolmogorov-Smirnov test. The others come from a permutation test: the share of
    random splits of all images into groups of the same sizes that are at least as far apart. The number of splits
    grows with the number of tests, so that each can be significant at its part of the level; a test ends early where
    the sets do not differ (Besag and Clifford 1991), which keeps p valid.

    Args:
        reference: what the refiner learned from.
        found: new images.
        names: of the columns of `values`.
        level: significance level of all tests together; see `significant`.
    """
    apart = []
    for name, before, after in zip(names, reference.values.T, found.values.T, strict=True):
        if np.isfinite(before).all() and np.isfinite(after).all():
            test = ks_2samp(before, after)
            apart.append(Distance(name, float(test.statistic), float(test.pvalue)))
    spread = float(np.sqrt(reference.corrections.var(0).mean())) or 1.0

    def patch_bias(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.mean((one - other) ** 2, axis=1)) / spread

    resamples = RESAMPLES_PER_LEAST * int(np.ceil((len(apart) + 2) / level))
    apart.append(_permuted("confidence histogram", reference.histograms, found.histograms, jensen_shannon, resamples))
    apart.append(_permuted("patch bias", reference.corrections, found.corrections, patch_bias, resamples))
    return apart


def significant(compared: Sequence[Distance], level: float, least: float) -> list[Distance]:
    """Distances that show a difference.

    Args:
        compared: as `distances` returns them.
        level: probability, at most, of a false alarm in any of them (Bonferroni correction).
        least: smaller distances are ignored, however certain.
    """
    return [one for one in compared if one.p <= level / len(compared) and one.distance >= least]


def jensen_shannon(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Jensen-Shannon distance, to base 2, of each pair of rows: shares (R,K) whose rows sum to 1 -> (R,) in [0, 1]."""
    middle = (one + other) / 2
    divergence = (rel_entr(one, middle) + rel_entr(other, middle)).sum(1) / (2 * np.log(2))
    return np.sqrt(np.clip(divergence, 0, 1))


def _permuted(
    name: str,
    reference: NDArray[np.float32],
    found: NDArray[np.float32],
    distance: DistanceOfMeans,
    resamples: int,
) -> Distance:
    sets = [rows.reshape(len(rows), -1).astype(np.float64) for rows in (reference, found)]
    observed = float(distance(*(rows.mean(0, keepdims=True) for rows in sets))[0])
    drawn = (distance(*means) for means in _random_means(np.concatenate(sets), len(found), resamples))
    return Distance(name, observed, _sequential_p((far >= observed * (1 - ROUNDING) for far in drawn), resamples))


def _random_means(
    pooled: NDArray[np.float64], size: int, resamples: int
) -> Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Mean rows of random splits into the other rows and `size` rows, (r,K) each, `BLOCK` splits at a time."""
    draw, total = np.random.default_rng(0), pooled.sum(0)
    for start in range(0, resamples, BLOCK):
        keys = draw.random((min(BLOCK, resamples - start), len(pooled)))
        chosen = np.zeros_like(keys)
        np.put_along_axis(chosen, keys.argpartition(size - 1, axis=1)[:, :size], 1, axis=1)
        sums = chosen @ pooled
        yield (total - sums) / (len(pooled) - size), sums / size


def _sequential_p(blocks: Iterable[NDArray[np.bool_]], resamples: int) -> float:
    """p of a permutation test that stops at the `ENOUGH`th random split which is as far apart, (r,) at a time."""
    far = splits = 0
    for block in blocks:
        if far + np.count_nonzero(block) >= ENOUGH:
            last = int(np.flatnonzero(block)[ENOUGH - far - 1])
            return ENOUGH / (splits + last + 1)
        far, splits = far + int(np.count_nonzero(block)), splits + len(block)
    return (far + 1) / (resamples + 1)
