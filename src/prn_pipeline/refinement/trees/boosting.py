"""Boosted trees that correct a logit: each tree lowers the cross-entropy that those before it left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.refinement.trees.settings import TreesSettings

#: Bins that each feature is cut into, of about equally many pixels.
BINS = 32
#: Least curvature of a pixel: one that is confidently wrong counts although its curvature is near zero.
LEAST_CURVATURE = 1e-3


class Pixels(NamedTuple):
    """Pixels to learn from.

    Attributes:
        features: float32 (features, pixels); the first one is the logit that is corrected.
        targets: share of foreground, float (pixels,), 0 .. 1.
        weights: how many pixels each of them stands for, float (pixels,).
        images: number of the image, or group of images, of each, int (pixels,).
    """

    features: NDArray[np.float32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    images: NDArray[np.int64]


class Boosted(NamedTuple):
    """Trees, and their losses after each of them.

    Attributes:
        asked: feature of each question, int64 (trees, depth).
        limits: a feature above its limit answers yes, float32 (trees, depth).
        values: correction of each leaf, float32 (trees, 2^depth).
        losses: cross-entropy after each tree: of the pixels learned from, and of the others; float (trees, 2).
    """

    asked: NDArray[np.int64]
    limits: NDArray[np.float32]
    values: NDArray[np.float32]
    losses: NDArray[np.float64]


def boost(pixels: Pixels, learn: NDArray[np.bool_], settings: TreesSettings, seed: int) -> Boosted:
    """Fit trees to some of the pixels; the others only measure how well that generalises.

    Every tree sees a random part of the images and may ask about a random part of the features. Features that are the
    same all over an image would otherwise let trees learn single images by heart.

    Args:
        pixels: all pixels.
        learn: which of them to learn from, bool (pixels,).
        settings: number and shape of the trees.
        seed: seed of the random parts.
    """
    # Imported here because loading numba takes a second, and settings and trained trees need none of it.
    from prn_pipeline.refinement.trees.kernels import differentiate, grow_tree

    rng = np.random.default_rng(seed)
    edges = [_edges(column[learn]) for column in pixels.features]
    bins = np.stack([np.searchsorted(e, x) for e, x in zip(edges, pixels.features, strict=True)]).astype(np.uint8)
    weights = pixels.weights / pixels.weights[learn].mean()
    images = np.unique(pixels.images[learn])
    rows_of = {image: np.flatnonzero(learn & (pixels.images == image)) for image in images}
    logits = pixels.features[0].astype(np.float64)
    asked, limits, values, losses = [], [], [], []
    slopes, curves, _ = differentiate(logits, pixels.targets, weights, learn, LEAST_CURVATURE)
    for _ in range(settings.trees):
        chosen = rng.permutation(images)[: max(1, round(len(images) * settings.image_share))]
        rows = np.concatenate([rows_of[image] for image in chosen])
        offered = rng.permutation(len(bins))[: max(1, round(len(bins) * settings.feature_share))]
        features, levels, steps, leaf = grow_tree(
            bins, slopes, curves, rows, offered, settings.depth, BINS, settings.penalty
        )
        logits += settings.learning_rate * steps[leaf]
        asked.append(features)
        limits.append([_limit(edges[feature], level) for feature, level in zip(features, levels, strict=True)])
        values.append(settings.learning_rate * steps)
        slopes, curves, loss = differentiate(logits, pixels.targets, weights, learn, LEAST_CURVATURE)
        losses.append(loss)
    return Boosted(np.stack(asked), np.array(limits, np.float32), np.stack(values).astype(np.float32), np.array(losses))


def _edges(column: NDArray[np.float32]) -> NDArray[np.float32]:
    """Upper ends of all bins but the last, float32, ascending and distinct."""
    return np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]).astype(np.float32))


def _limit(edges: NDArray[np.float32], level: int) -> float:
    """The upper end of a bin; the last one has none, so that nothing is above it."""
    return float(edges[level]) if level < len(edges) else float("inf")
