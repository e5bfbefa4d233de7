"""Resizing of maps."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.canvas import Canvas
from prn_pipeline.data.store.logits import stored_logits


def placed_maps(logits: Tensor, canvas: Canvas, native: tuple[int, int]) -> NDArray[np.float16]:
    """Logits (C,h,w) of an image where the image lies on a canvas; padding mirrors them, as it does the image.

    Args:
        logits: of the whole image, at any size.
        canvas: of the samples.
        native: height and width of the image.
    """
    region = canvas.region(native)
    return np.pad(at_size(logits, region.shape), ((0, 0), *canvas.padding(region)), mode="symmetric")


def at_size(logits: Tensor, size: int | tuple[int, int]) -> NDArray[np.float16]:
    """Logits (C,h,w) at a height and width, or a square, float16: bilinear, with antialiasing where they shrink."""
    shape = (size, size) if isinstance(size, int) else size
    clamped = torch.from_numpy(stored_logits(logits)).float()[None]
    if clamped.shape[-2:] != shape:
        clamped = F.interpolate(clamped, shape, mode="bilinear", antialias=True)
    return stored_logits(clamped[0])


def stretch(logits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Logits (H,W) stretched to another shape (h,w): bilinear, float32."""
    stretched = F.interpolate(torch.from_numpy(logits)[None, None], shape, mode="bilinear", align_corners=False)
    return stretched[0, 0].numpy()
