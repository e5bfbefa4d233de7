"""Confidence intervals of scores and gains: bootstrap over images, or over groups of images that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypedDict

import numpy as np
import pandas as pd

from prn_pipeline.metrics.scores import by_class, mean_iou, present_in_truth

LEVEL = 0.95
#: Numbers of draws in memory at a time: 4 MiB.
MAX_DRAWN = 2**19


class Gain(TypedDict):
    """Difference of iou_micro between two methods on the same images."""

    iou_micro: float
    ci95: list[float]
    p: float


#: Group of each image, (images,). Groups are drawn whole: the frames of one video are not independent.
Groups = np.ndarray | None


def draws(images: int, resamples: int, seed: int, groups: Groups = None) -> Iterator[np.ndarray]:
    """How often each image is drawn in each resample: int64 (n, images) at a time, `resamples` rows in all.

    A resample draws as many groups as there are, with replacement. Without groups every image is its own group, and
    rows sum to `images`. How many rows come at a time depends on the number of images, the rows do not.
    """
    units, of_image = independent(images, groups)
    rng, chances = np.random.default_rng(seed), np.full(units, 1 / units)
    at_once = max(1, MAX_DRAWN // images)
    for start in range(0, resamples, at_once):
        yield rng.multinomial(units, chances, size=min(at_once, resamples - start))[:, of_image]


def independent(images: int, groups: Groups = None) -> tuple[int, np.ndarray]:
    """Number of independent units, and the unit of each image, int64 (images,), numbered in order of appearance.

    Raises:
        ValueError: an image has no group.
    """
    if groups is None:
        return images, np.arange(images)
    of_image, names = pd.factorize(np.asarray(groups))
    if (of_image < 0).any():
        raise ValueError(
            f"image {int(np.argmin(of_image))} has no group, but others have: give every image one, or none"
        )
    return len(names), of_image


def interval(counts: np.ndarray, resamples: int, seed: int, groups: Groups = None) -> list[float]:
    """95 % percentile interval of iou_micro over images drawn with replacement.

    Args:
        counts: int64 (images, 6) or (images, C, 6).
        resamples: number of draws.
        seed: of the draws.
        groups: of each image, (images,).

    Returns:
        Lower and upper end; [0, 1] for a single image or group, which gives no information about others.
    """
    if independent(len(counts), groups)[0] < 2:
        return [0.0, 1.0]
    return bounds(_iou(_sums(by_class(counts), draws(len(counts), resamples, seed, groups))))


def paired_gain(counts: np.ndarray, reference: np.ndarray, resamples: int, seed: int, groups: Groups = None) -> Gain:
    """Gain in iou_micro of a method over a reference method, measured on the same images in the same order.

    Paired: both methods get the same draws of images, so an image that is easy for both adds no noise.

    Args:
        counts: int64 (images, 6) or (images, C, 6) of the method.
        reference: int64 (images, 6) or (images, C, 6) of the reference method.
        resamples: number of draws.
        seed: of the draws.
        groups: of each image, (images,).

    Returns:
        Gain on all images; its 95 % percentile interval; the two-sided p: twice the share of draws on the other side of
        zero, where a zero counts half, and at least 1 / resamples. For a single image or group: [-1, 1] and 1.

    Raises:
        ValueError: different numbers of images.
    """
    if counts.shape != reference.shape:
        raise ValueError(
            f"a paired test needs the same images, got counts of shape {counts.shape} and {reference.shape}"
        )
    counts, reference = by_class(counts), by_class(reference)
    gain = float(mean_iou(counts.sum(0)) - mean_iou(reference.sum(0)))
    if independent(len(counts), groups)[0] < 2:
        return {"iou_micro": gain, "ci95": [-1.0, 1.0], "p": 1.0}
    both = np.concatenate([counts, reference], axis=1)  # one pass over the draws
    ours, theirs = np.split(_sums(both, draws(len(counts), resamples, seed, groups)), 2, axis=1)
    drawn = _iou(ours) - _iou(theirs)
    below = (np.count_nonzero(drawn < 0) + 0.5 * np.count_nonzero(drawn == 0)) / len(drawn)
    return {
        "iou_micro": gain,
        "ci95": bounds(drawn),
        "p": float(min(1.0, max(2 * min(below, 1 - below), 1 / resamples))),
    }


def _sums(counts: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Sums of the counts (images, C, 6) over the images of each draw, int64 (draws, C, 6)."""
    flat = counts.reshape(len(counts), -1)
    return np.concatenate([some @ flat for some in weights]).reshape(-1, *counts.shape[1:])


def _iou(drawn: np.ndarray) -> np.ndarray:
    """iou_micro of each draw's counts (draws, C, 6), float64 (draws,).

    Where objects are rare, some draws have none and cannot show how well objects are found: they are left out. This
    depends on the truth alone, so two methods keep the same draws.
    """
    with_objects = present_in_truth(drawn).any(-1)
    return mean_iou(drawn[with_objects] if with_objects.any() else drawn)


def bounds(drawn: np.ndarray) -> list[float]:
    """95 % percentile interval of drawn values (resamples,)."""
    tail = (1 - LEVEL) / 2
    return [float(bound) for bound in np.quantile(drawn, [tail, 1 - tail])]
