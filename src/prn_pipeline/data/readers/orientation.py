"""EXIF orientation: how stored pixels are turned so that a picture stands upright."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Tag of the orientation in EXIF and TIFF.
TAG: Final = 274
UPRIGHT: Final = 1


def orientation_of(picture: Image.Image) -> int:
    """EXIF orientation of a picture that has not been turned, 1 to 8; 1 where there is none."""
    return _valid(picture.getexif().get(TAG))


def upright(pixels: NDArray[np.generic], orientation: int) -> NDArray[np.generic]:
    """Stored pixels (H, W, ...) turned and mirrored as their orientation says.

    An orientation names the sides of the picture where the first row and the first column belong.
    """
    if orientation >= 5:  # the first row is a side
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _valid(stored: object) -> int:
    return stored if isinstance(stored, int) and 1 <= stored <= 8 else UPRIGHT
