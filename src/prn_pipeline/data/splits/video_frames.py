"""Detects frames of videos: neighbours by name that are almost the same picture."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import Pixels

logger = logging.getLogger(__name__)

#: Side of a thumbnail in pixels: enough to tell scenes apart, too little for noise.
SIDE = 16
#: Fewest images that allow a decision.
LEAST = 20
#: Neighbours are alike if their correlation exceeds this quantile of all pairs.
ALIKE = 0.95
#: Share of alike neighbours above which images are frames: six data sets without videos have at most 0.17, drives
#: through a town 0.6 to 0.98.
VIDEO = 0.4
#: Random pairs from which the quantile is estimated; all pairs of many images would be too many.
PAIRS = 20_000


def thumbnail(image: Pixels) -> NDArray[np.float32]:
    """Grey means of SIDE x SIDE patches, float32 (SIDE * SIDE,), of mean 0 and length 1: products are correlations."""
    return thumbnails(image, SIDE)[0]


def thumbnails(image: Pixels, *sides: int) -> list[NDArray[np.float32]]:
    """The same of several sides: float32 (side * side,) each."""
    grey = image[..., 0].astype(np.float32)
    for band in range(1, image.shape[2]):  # NumPy's mean over a short last axis takes five times as long
        grey += image[..., band]
    grey /= image.shape[2]
    return [_thumbnail(grey, side) for side in sides]


def _thumbnail(grey: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    rows, columns = (np.linspace(0, length, side, endpoint=False, dtype=np.int64) for length in grey.shape)
    sums = np.add.reduceat(np.add.reduceat(grey, rows, axis=0), columns, axis=1)
    heights, widths = (np.diff(edges, append=end) for edges, end in zip((rows, columns), grey.shape, strict=True))
    means = (sums / np.maximum(heights, 1)[:, None] / np.maximum(widths, 1)).ravel()
    means -= means.mean()
    return (means / max(float(np.linalg.norm(means)), 1e-6)).astype(np.float32)


def share_alike(thumbnails: NDArray[np.float32]) -> float:
    """Share of neighbours that are more alike than ALIKE of all pairs; about 1 - ALIKE if the order is random.

    Args:
        thumbnails: float32 (n, SIDE * SIDE), in order of the images' names.

    Returns:
        0 .. 1; 0 for fewer than LEAST images.
    """
    count = len(thumbnails)
    if count < LEAST:
        return 0.0
    first, second = np.random.default_rng(0).integers(0, count, (2, PAIRS))
    apart = first != second
    pairs = np.einsum("nd,nd->n", thumbnails[first[apart]], thumbnails[second[apart]])
    neighbours = np.einsum("nd,nd->n", thumbnails[:-1], thumbnails[1:])
    return float(np.mean(neighbours > np.quantile(pairs, ALIKE)))


def looks_like_video(name: str, thumbnails: NDArray[np.float32]) -> bool:
    """Whether the images of data set `name`, in order, look like frames of videos; if so, log a warning."""
    share = share_alike(thumbnails)
    if share <= VIDEO:
        return False
    logger.warning(
        "data set '%s': images look like frames of videos (%.0f %% of neighbours by name are more alike than %.0f %% of"
        " all pairs). Scores and gains treat them as independent, and those of a val that shares its scenes with train"
        " or test are too high. Group the frames of each video: `split: {group: {pattern: ...}}`",
        name,
        100 * share,
        100 * ALIKE,
    )
    return True
