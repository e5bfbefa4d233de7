"""Scores of few-shot segmentation: means over categories, over episodes, over foreground and background."""

from __future__ import annotations

from typing import Any

import numpy as np

from prn_pipeline.metrics.bootstrap import bounds, draws
from prn_pipeline.metrics.scores import by_class, iou, present


def few_shot_scores(
    counts: np.ndarray, reference: np.ndarray, categories: np.ndarray, resamples: int, seed: int
) -> dict[str, Any]:
    """Scores of a method with intervals, and its paired gains over a reference method in the same episodes.

    Args:
        counts: int64 (episodes, 6) of the method.
        reference: int64 (episodes, 6) of the reference method.
        categories: of each episode, (episodes,).
        resamples: of the bootstrap.
        seed: of the draws.

    Returns:
        miou_categories: mean over categories of the IoU of all their pixels, with its interval over categories drawn
        with replacement; miou_episodes: mean IoU of the episodes, its interval over categories, too, because the
        episodes of one category err alike; fb_iou: mean IoU of foreground and background of all pixels;
        `few_shot_vs_base`: {score: {gain, ci95}} of the first two;
        `categories`: {name: IoU}.
    """
    names, valid = sorted(set(categories.tolist())), present(by_class(counts))
    of_each, of_reference = (
        np.array([iou(some[categories == name].sum(0)) for name in names]) for some in (counts, reference)
    )
    found: dict[str, Any] = {}
    gains = {}
    for score, ours, theirs, drawn_together in (
        ("miou_categories", of_each, of_reference, np.array(names)),
        ("miou_episodes", iou(counts[valid]), iou(reference[valid]), categories[valid]),
    ):
        gain = ours - theirs
        shares = (some / some.sum(1, keepdims=True) for some in draws(len(ours), resamples, seed, drawn_together))
        of_ours, of_gain = np.concatenate([some @ np.stack([ours, gain], 1) for some in shares]).T
        alone = len(set(drawn_together.tolist())) < 2  # gives no information about others
        found |= {score: float(ours.mean()), f"{score}_ci95": [0.0, 1.0] if alone else bounds(of_ours)}
        gains[score] = {"gain": float(gain.mean()), "ci95": [-1.0, 1.0] if alone else bounds(of_gain)}
    total = counts.sum(0)
    background = iou(total[[3, 2, 1]])  # true negatives are its hits; false negatives and false positives swap
    return {
        **found,
        "fb_iou": float((iou(total) + background) / 2),
        "few_shot_vs_base": gains,
        "categories": dict(zip(names, of_each.tolist(), strict=True)),
    }
