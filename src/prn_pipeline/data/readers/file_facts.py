"""What the files of a sample hold, before their values are scaled or turned into classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import Pixels

#: Distinct values of a mask that are kept: more than any rule lists, and a soft mask has 256.
MAX_VALUES = 256


@dataclass(frozen=True)
class ImageFacts:
    """An image file.

    Attributes:
        kind: its pixels in words, such as "8-bit RGB" or "16-bit grey".
        low: lowest stored value.
        high: highest stored value.
        orientation: EXIF orientation, 1 to 8; 1 is upright. Decoded images are upright.
    """

    kind: str
    low: float
    high: float
    orientation: int = 1


@dataclass(frozen=True)
class MaskFacts:
    """A mask file.

    Attributes:
        values: distinct values as stored, ascending, at most MAX_VALUES.
        orientation: EXIF orientation, 1 to 8; 1 is upright. Decoded masks are upright.
    """

    values: tuple[int, ...]
    orientation: int = 1


class ReadSample(NamedTuple):
    """A decoded sample, and what its files hold.

    Attributes:
        image: as `Reader.image` returns it.
        mask: as `Reader.mask` returns it.
        image_facts: of the image file.
        mask_facts: of the mask file.
    """

    image: Pixels
    mask: NDArray[np.uint8]
    image_facts: ImageFacts
    mask_facts: MaskFacts


def distinct_values(values: NDArray[np.integer]) -> NDArray[np.integer]:
    """The distinct values of a non-empty array, ascending."""
    low, high = values.min(), values.max()
    if np.count_nonzero(values == low) + (low != high) * np.count_nonzero(values == high) == values.size:
        return np.unique(np.array([low, high]))  # a binary mask, without a pass over all values
    if values.dtype != np.uint8:
        return np.unique(values)
    present = np.zeros(256, bool)
    present[values.ravel()] = True
    return np.flatnonzero(present)


def mask_facts(values: NDArray[np.integer], orientation: int = 1) -> MaskFacts:
    """Facts of a mask with these stored values, integers of any shape."""
    return MaskFacts(tuple(distinct_values(values)[:MAX_VALUES].tolist()), orientation)


def united_facts(masks: Sequence[MaskFacts]) -> MaskFacts:
    """Facts of the mask files of one image together; the orientation is that of the first that is turned."""
    values = sorted({value for mask in masks for value in mask.values})
    turned = [mask.orientation for mask in masks if mask.orientation != 1]
    return MaskFacts(tuple(values[:MAX_VALUES]), turned[0] if turned else 1)


def image_facts(image: Pixels, kind: str, orientation: int = 1) -> ImageFacts:
    """Facts of an image with these stored values."""
    return ImageFacts(kind, float(image.min()), float(image.max()), orientation)
