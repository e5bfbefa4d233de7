"""Pixel values of any image on one scale."""

from __future__ import annotations

import torch
from torch import Tensor

#: So many steps of a 16-bit image are one of an 8-bit image: 65535 / 255.
STEPS = 257


def pixel_values(images: Tensor) -> Tensor:
    """float32 from 0 to 255: of uint8 and float images as they are, of int32 images (which hold 16 bits) divided."""
    return images.float() / STEPS if images.dtype == torch.int32 else images.float()
