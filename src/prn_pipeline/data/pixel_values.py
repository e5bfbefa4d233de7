"""Pixel values of 8-bit and 16-bit images on one scale, for networks."""

from __future__ import annotations

import torch
from torch import Tensor

from prn_pipeline.data.shades import STEPS


def pixel_values(images: Tensor) -> Tensor:
    """Pixel values as float32 in [0, 255]: int32 images, which hold 16 bits, are divided; others keep their values."""
    return images.float() / STEPS if images.dtype == torch.int32 else images.float()
