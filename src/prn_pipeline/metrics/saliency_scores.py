"""Saliency scores of a set of maps, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.metrics.bootstrap import Groups, bounds, draws, independent
from prn_pipeline.metrics.saliency import LEVELS, SaliencyMeasures

#: Names of the scores, in order. Maxima are those of the mean curve: one threshold for all images.
SALIENCY_SCORES = ("f_max", "f_mean", "f_weighted", "s_measure", "e_max", "e_mean")


def saliency_table(measures: Sequence[SaliencyMeasures]) -> NDArray[np.float64]:
    """One row per image, float64 (images, 2 + 512): weighted F, S, the curve of F, the curve of E."""
    return np.array([np.concatenate([[m.weighted_f, m.s_measure], m.f_curve, m.e_curve]) for m in measures])


def saliency_scores(
    table: NDArray[np.float64], reference: NDArray[np.float64], resamples: int, seed: int, groups: Groups = None
) -> dict[str, Any]:
    """Scores of a method with intervals, and its paired gains over a reference method on the same images.

    Args:
        table: of the method, from `saliency_table`.
        reference: of the reference method, images in the same order.
        resamples: of the bootstrap over images.
        seed: of the draws.
        groups: of each image, (images,).

    Returns:
        Each of `SALIENCY_SCORES`, `<score>_ci95`, and `saliency_vs_base`: {score: {gain, ci95}}.

    Raises:
        ValueError: different numbers of images.
    """
    if table.shape != reference.shape:
        raise ValueError(
            f"a paired test needs the same images, got tables of shape {table.shape} and {reference.shape}"
        )
    means = []
    for drawn in draws(len(table), resamples, seed, groups):
        weights = drawn / drawn.sum(1, keepdims=True)
        means.append((weights @ table, weights @ reference))
    alone = independent(len(table), groups)[0] < 2  # gives no information about other images
    ours, theirs = (_of_means(np.concatenate(some)) for some in zip(*means, strict=True))
    own, other = _of_means(table.mean(0)[None]), _of_means(reference.mean(0)[None])
    scores: dict[str, Any] = {name: float(own[name][0]) for name in SALIENCY_SCORES}
    scores |= {f"{name}_ci95": [0.0, 1.0] if alone else bounds(ours[name]) for name in SALIENCY_SCORES}
    gains = {
        name: {
            "gain": float(own[name][0] - other[name][0]),
            "ci95": [-1.0, 1.0] if alone else bounds(ours[name] - theirs[name]),
        }
        for name in SALIENCY_SCORES
    }
    return {**scores, "saliency_vs_base": gains}


def _of_means(means: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Rows of means over images (draws, 2 + 512) -> each score (draws,)."""
    f_curve, e_curve = means[:, 2 : 2 + LEVELS], means[:, 2 + LEVELS :]
    found = (f_curve.max(1), f_curve.mean(1), means[:, 0], means[:, 1], e_curve.max(1), e_curve.mean(1))
    return dict(zip(SALIENCY_SCORES, found, strict=True))
