"""Networks with an input of fixed size: they see images at that size, and their logits are stretched back."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Height and width; None for a network that takes images as they are.
InputSize = tuple[int, int] | None


def at_input_size(images: Tensor, size: InputSize) -> Tensor:
    """Images float (N,C,H,W) stretched to the network's input: bilinear, with antialiasing where they shrink."""
    if size is None or _is_of(images, size):
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def stretched_back(maps: Tensor, shape: tuple[int, int], size: InputSize) -> Tensor:
    """Maps (N,C,h,w) of a network with a fixed input, bilinear at the height and width of its images."""
    if size is None or _is_of(maps, shape):
        return maps
    return F.interpolate(maps.float(), shape, mode="bilinear", align_corners=False)


def _is_of(maps: Tensor, shape: tuple[int, int]) -> bool:
    """Whether maps have this height and width; always false during export, where it is not known."""
    return not torch.compiler.is_exporting() and tuple(maps.shape[-2:]) == tuple(shape)
