"""From arrays as they are stored to tensors as networks take them."""

from __future__ import annotations

import torch
from torch import Tensor

COLOURS = 3


def channels_first(stored: Tensor) -> Tensor:
    """Stored rows as a network takes them.

    Images (N,H,W,C) uint16 -> (N,C,H,W) int32; images (N,H,W,3) uint8 -> (N,3,H,W) uint8, several of each (N,K,H,W,3)
    -> (N,K,3,H,W); maps (N,H,W) float -> (N,1,H,W) float32, stacks of them (N,C,H,W) -> float32; labels (N,H,W) or
    (N,K,H,W) uint8 stay.
    """
    if stored.is_floating_point():
        return stored.float().unsqueeze(1) if stored.ndim == 3 else stored.float()
    if stored.dtype == torch.uint16:
        return stored.to(torch.int32).movedim(-1, -3)
    return stored.movedim(-1, -3) if stored.ndim >= 4 and stored.shape[-1] == COLOURS else stored
