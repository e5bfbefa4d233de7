"""Pixel values of 8-bit and 16-bit images on one scale."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.sample_format import Pixels

#: Steps of a 16-bit image in one step of an 8-bit image: 65535 / 255.
STEPS = 257


def pixel_values(images: Tensor) -> Tensor:
    """Pixel values as float32 in [0, 255]: int32 images, which hold 16 bits, are divided; others keep their values."""
    return images.float() / STEPS if images.dtype == torch.int32 else images.float()


def as_colours(image: Pixels) -> NDArray[np.uint8]:
    """An image as uint8 (H,W,3) for display: its first three bands, or a single band as grey."""
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    first = np.resize(np.arange(min(3, image.shape[2])), 3)
    return (image[..., first] // STEPS).astype(np.uint8)
