"""How well each pixel's colour fits to the colours of a part of its image."""

from __future__ import annotations

import torch
from torch import Tensor

#: Variance of colours (0 .. 1) that is added in every direction, so that a flat part has a shape too.
LEAST_VARIANCE = 3e-3
#: Share of a side that counts as the border of an image: one part in so many.
BORDER = 16


def misfit(image: Tensor, weights: Tensor) -> Tensor:
    """Twice the negative logarithm of a normal distribution's density, up to a constant; float (N,1,H,W).

    Args:
        image: colours, float (N,C,H,W), 0 .. 1.
        weights: weight of each pixel in mean and covariance, float (N or 1,1,H,W), not negative.
    """
    channels = image.shape[1]
    total = weights.sum((2, 3), keepdim=True) + 1
    centred = image - (image * weights).sum((2, 3), keepdim=True) / total
    columns = centred.split(1, dim=1)
    # Cholesky's decomposition by hand: few channels, and every operation can be exported.
    lower: list[list[Tensor]] = []
    whitened: list[Tensor] = []
    log_determinant = torch.zeros_like(total)
    for i in range(channels):
        row: list[Tensor] = []
        lower.append(row)
        for j in range(i + 1):
            covariance = (columns[i] * columns[j] * weights).sum((2, 3), keepdim=True) / total
            for k in range(j):
                covariance = covariance - row[k] * lower[j][k]
            diagonal = (covariance + LEAST_VARIANCE).clamp(min=LEAST_VARIANCE).sqrt()
            row.append(diagonal if i == j else covariance / lower[j][j])
        rest = columns[i]
        for k in range(i):
            rest = rest - row[k] * whitened[k]
        whitened.append(rest / row[i])
        log_determinant = log_determinant + 2 * row[i].log()
    return torch.cat(whitened, dim=1).square().sum(1, keepdim=True) + log_determinant


def border_like(image: Tensor) -> Tensor:
    """1 on a band along the border of the image, 0 inside; float (1,1,H,W)."""
    height, width = image.shape[-2:]
    rows = torch.arange(height, device=image.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=image.device).view(1, 1, 1, -1)
    depth = torch.minimum(
        torch.minimum(rows, height - 1 - rows) * BORDER // height,
        torch.minimum(columns, width - 1 - columns) * BORDER // width,
    )
    return (depth < 1).float()
