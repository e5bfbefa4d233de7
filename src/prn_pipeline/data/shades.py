"""Shades of 8-bit and 16-bit images as arrays: for display, and as they are read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import Pixels

#: Steps of a 16-bit image in one step of an 8-bit image: 65535 / 255.
STEPS = 257
#: Bits that sensors and files have.
_BITS = (8, 10, 12, 14, 16)


def as_colours(image: Pixels) -> NDArray[np.uint8]:
    """An image as uint8 (H,W,3) for display: its first three bands, or a single band as grey."""
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    first = np.resize(np.arange(min(3, image.shape[2])), 3)
    return (image[..., first] // STEPS).astype(np.uint8)


def white_of(highest: int) -> int:
    """The largest value of the fewest usual bits that hold `highest`: 255, 1023, 4095, 16383 or 65535."""
    return next(2**bits - 1 for bits in _BITS if highest < 2**bits)


def shades(wide: NDArray[np.uint16], white: int) -> NDArray[np.uint8]:
    """Wide grey or colours (H,W,1 or 3) as uint8 (H,W,3): 0 .. `white` become 0 .. 255, larger values are clipped."""
    levels = np.rint(np.minimum(np.arange(2**16), white) * (255 / white)).astype(np.uint8)
    scaled = levels[wide]
    return scaled if scaled.shape[2] == 3 else np.repeat(scaled, 3, axis=2)
