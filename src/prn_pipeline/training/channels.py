"""From arrays as they are stored to tensors as networks take them."""

from __future__ import annotations

from torch import Tensor


def channels_first(stored: Tensor) -> Tensor:
    """Stored rows as a network takes them.

    Images (N,H,W,3) uint8 -> (N,3,H,W) uint8; maps (N,H,W) float -> (N,1,H,W) float32, stacks of them (N,C,H,W) ->
    float32; labels (N,H,W) uint8 stay.
    """
    if stored.is_floating_point():
        return stored.float().unsqueeze(1) if stored.ndim == 3 else stored.float()
    return stored.permute(0, 3, 1, 2) if stored.ndim == 4 else stored
