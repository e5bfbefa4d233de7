"""Conversion of stored arrays to tensors in the layout that networks take."""

from __future__ import annotations

import torch
from torch import Tensor

COLOURS = 3


def channels_first(stored: Tensor) -> Tensor:
    """Move the channels of stored rows to where networks expect them.

    Args:
        stored: images (N,H,W,C) uint16; images (N,H,W,3) or sets of them (N,K,H,W,3), uint8; maps (N,H,W) or stacks of
            maps (N,C,H,W), of any float type; labels (N,H,W) or (N,K,H,W), uint8.

    Returns:
        uint16 images as int32 (N,C,H,W); uint8 images as uint8 (N,3,H,W) or (N,K,3,H,W); maps as float32 (N,1,H,W) or
        (N,C,H,W); labels unchanged.
    """
    if stored.is_floating_point():
        return stored.float().unsqueeze(1) if stored.ndim == 3 else stored.float()
    if stored.dtype == torch.uint16:
        return stored.to(torch.int32).movedim(-1, -3)
    return stored.movedim(-1, -3) if stored.ndim >= 4 and stored.shape[-1] == COLOURS else stored
