"""Resizing of maps."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.data.store.logits import stored_logits


def at_size(logits: Tensor, size: int) -> NDArray[np.float16]:
    """Logits (C,h,w) at (C,size,size), float16: bilinear, with antialiasing where they shrink."""
    clamped = torch.from_numpy(stored_logits(logits)).float()[None]
    if clamped.shape[-2:] != (size, size):
        clamped = F.interpolate(clamped, (size, size), mode="bilinear", antialias=True)
    return stored_logits(clamped[0])


def stretch(logits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Logits (H,W) stretched to another shape (h,w): bilinear, float32."""
    stretched = F.interpolate(torch.from_numpy(logits)[None, None], shape, mode="bilinear", align_corners=False)
    return stretched[0, 0].numpy()
