"""Edge maps `relu(tanh(laplacian(.)))` and the cross-entropy between two of them (paper section 3.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LOWEST_LOG = -100.0
STEEPEST_BELOW = 1e-3


def laplacian(maps: Tensor) -> Tensor:
    """Eight times each pixel minus its eight neighbours, zero beyond the border: (N, 1, H, W) -> (N, 1, H, W).

    A sum of differences, so that a flat region gives exactly 0 in every precision. A convolution would leave rounding
    noise there, which the logarithms of the edge loss would amplify.
    """
    height, width = maps.shape[-2:]
    padded = F.pad(maps, (1, 1, 1, 1))
    total = torch.zeros_like(maps)
    for row in range(3):
        for column in range(3):
            total = total + (maps - padded[..., row : row + height, column : column + width])
    return total


def edge_cross_entropy(probabilities: Tensor, labels: Tensor, swapped: bool = False) -> Tensor:
    """Cross-entropy between the edge maps of probabilities and of labels, one value per pixel.

    Args:
        probabilities: float (N, 1, H, W) in [0, 1].
        labels: of the same dtype and shape, 0 and 1.
        swapped: use the label's edges as the prediction and the map's as the target, as the released script does.

    Returns:
        float (N, 1, H, W); logarithms are clamped at -100, as torch's own cross-entropy clamps them.
    """
    prediction, target = (F.relu(laplacian(maps)) for maps in (probabilities, labels))
    if swapped:
        prediction, target = target, prediction
    target_edge = torch.tanh(target)
    return -(target_edge * _log_tanh(prediction) + (1 - target_edge) * _log_one_minus_tanh(prediction))


def _log_tanh(z: Tensor) -> Tensor:
    """Logarithm of tanh(z), z >= 0, at least -100, with its slope bounded.

    The value is exact. The true slope is unbounded near z = 0, where a single pixel would dominate the gradient of the
    batch, so below 1e-3 the slope is that at 1e-3.
    """
    edge = torch.tanh(z)
    value = torch.log(edge.detach()).clamp_min(LOWEST_LOG)
    slope = edge / edge.detach().clamp_min(STEEPEST_BELOW)
    return value + (slope - slope.detach())


def _log_one_minus_tanh(z: Tensor) -> Tensor:
    """Logarithm of 1 - tanh(z) without the cancellation: 1 - tanh(z) = 2 / (1 + exp(2 z))."""
    return math.log(2) - F.softplus(2 * z)
