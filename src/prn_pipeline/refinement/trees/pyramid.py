"""Averages of a map over cells of growing size, each brought back to the size of the map."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F


def averages(maps: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    """Averages over cells, interpolated between their centres.

    Args:
        maps: float (N,C,H,W); H and W are multiples of the largest size.
        sizes: cells per side, powers of two, ascending.

    Returns:
        One tensor of the same shape for each size.
    """
    found, pooled, size = [], maps, 1
    for wanted in sizes:
        for _ in range(round(math.log2(wanted // size))):
            pooled = F.avg_pool2d(pooled, 2)
        size = wanted
        found.append(F.interpolate(pooled, size=maps.shape[-2:], mode="bilinear", align_corners=False))
    return found


def mean(maps: Tensor) -> Tensor:
    """Mean over each map, float (N,C,1,1)."""
    return maps.mean((2, 3), keepdim=True)
