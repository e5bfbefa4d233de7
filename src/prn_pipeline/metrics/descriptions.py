"""Statistics of images and maps that need no masks: the inputs of drift detection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

#: Statistics of one image, in the order of `Descriptions.values`: first those of the image, then those of its maps.
OF_IMAGES = ("brightness", "contrast", "sharpness")
OF_MAPS = ("confidence", "correction")
#: Bins of the confidence histogram; patches per side of the patch-bias map.
BINS, PATCHES = 20, 8


class Descriptions(NamedTuple):
    """Statistics of N images with C maps each (1, or one per class).

    Attributes:
        values: float32 (N,K), in the order of `names_of`; those of images are NaN without images.
        histograms: float32 (N,BINS), share of pixels by the base model's probability.
        corrections: float32 (N,C,PATCHES,PATCHES), mean of refined - base probability in each patch: the bias that the
            refiner corrects there.
    """

    values: NDArray[np.float32]
    histograms: NDArray[np.float32]
    corrections: NDArray[np.float32]


def names_of(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of `Descriptions.values`; `classes` is empty for maps of foreground."""
    shares = tuple(f"share of {name}" for name in classes) or ("foreground",)
    return (*OF_IMAGES, *OF_MAPS, *shares)


def describe(
    images: NDArray[np.uint8 | np.uint16] | None, base: NDArray[np.float16], refined: NDArray[np.float16]
) -> Descriptions:
    """Describe a batch.

    Args:
        images: uint8 or uint16 (N,H,W,bands); None if there are only maps.
        base: logits (N,C,H,W) of the base model.
        refined: logits (N,C,H,W) after the refiner.
    """
    before, after = expit(base.astype(np.float32)), expit(refined.astype(np.float32))
    change = after - before
    if before.shape[1] == 1:
        shares = (before > 0.5).mean((2, 3))
    else:
        winner = before.argmax(1)
        shares = np.stack([(winner == one).mean((1, 2)) for one in range(before.shape[1])], axis=1)
    of_maps = [2 * np.abs(before - 0.5).mean((1, 2, 3)), np.abs(change).mean((1, 2, 3))]
    of_images = [np.full(len(base), np.nan)] * len(OF_IMAGES) if images is None else _image_statistics(images)
    values = np.column_stack([*of_images, *of_maps, shares]).astype(np.float32)
    levels = np.minimum((before * BINS).astype(np.int64), BINS - 1).reshape(len(base), -1)
    histograms = np.stack([np.bincount(one, minlength=BINS) / one.size for one in levels])
    return Descriptions(values, histograms.astype(np.float32), _patch_means(change).astype(np.float32))


def _image_statistics(images: NDArray[np.uint8 | np.uint16]) -> list[NDArray[np.float64]]:
    """Brightness, contrast and sharpness of the mean over bands, in [0, 1], each float64 (N,)."""
    grey = images.mean(3) / np.iinfo(images.dtype).max
    return [grey.mean((1, 2)), grey.std((1, 2)), _mean_step(grey, 1) + _mean_step(grey, 2)]


def _mean_step(grey: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean difference of neighbours along an axis, float64 (N,); 0 where an image is one pixel wide."""
    if grey.shape[axis] == 1:
        return np.zeros(len(grey))
    return np.abs(np.diff(grey, axis=axis)).mean((1, 2))


def _patch_means(maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means of PATCHES x PATCHES nearly equal patches: (N,C,H,W) -> (N,C,PATCHES,PATCHES).

    Along a side of fewer pixels, patches share pixels.
    """
    rows, columns = (np.linspace(0, side, PATCHES, endpoint=False).astype(np.int64) for side in maps.shape[2:])
    sums = np.add.reduceat(np.add.reduceat(maps.astype(np.float64), rows, axis=2), columns, axis=3)
    heights, widths = np.diff(np.append(rows, maps.shape[2])), np.diff(np.append(columns, maps.shape[3]))
    return sums / np.outer(heights.clip(1), widths.clip(1))  # of equal starts, reduceat gives the pixel itself
