"""Pixel values of any image on one scale."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.sample_format import Pixels

#: So many steps of a 16-bit image are one of an 8-bit image: 65535 / 255.
STEPS = 257


def pixel_values(images: Tensor) -> Tensor:
    """float32 from 0 to 255: of uint8 and float images as they are, of int32 images (which hold 16 bits) divided."""
    return images.float() / STEPS if images.dtype == torch.int32 else images.float()


def as_colours(image: Pixels) -> NDArray[np.uint8]:
    """An image as uint8 (H,W,3) for people: its first three bands, or its only one in grey."""
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    first = np.resize(np.arange(min(3, image.shape[2])), 3)
    return (image[..., first] // STEPS).astype(np.uint8)
