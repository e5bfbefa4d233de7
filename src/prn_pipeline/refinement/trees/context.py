"""What a tree may ask about a pixel: its logit, its surroundings, its map as a whole, its place, its colour."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.refinement.region_detail.inputs import starting_logits
from prn_pipeline.refinement.trees.colours import border_like, misfit
from prn_pipeline.refinement.trees.pyramid import averages, mean
from prn_pipeline.refinement.trees.settings import COARSEST

#: Logits beyond say nothing more.
LARGEST_LOGIT = 12.0
#: Ridge of the linear models of probability on brightness (He et al., guided filter).
RIDGE = 1e-3
#: Least weight of the mean colour of the foreground or background around.
LEAST_WEIGHT = 0.02


def context_features(base_logits: Tensor, inputs: dict[str, Tensor], stride: int) -> Tensor:
    """Features of each cell; the first one is the logit that is corrected.

    Args:
        base_logits: float (N,1,H,W); H and W are multiples of `COARSEST`.
        inputs: inputs in use: tta (N,2,H,W), tta_scales (N,1,H,W), images (N,C,H,W) for `pixel_values`,
            several_maps (N,K,H,W).
        stride: pixels per side of a cell.

    Returns:
        float32 (N,F,H/stride,W/stride).
    """
    sizes = tuple(size // stride for size in (4, 8, 16, COARSEST) if size > stride)
    logits = _pooled(starting_logits(base_logits, inputs).clamp(-LARGEST_LOGIT, LARGEST_LOGIT), stride)
    found = _of_map(logits, sizes)
    if "tta" in inputs:
        spread = _pooled(inputs["tta"][:, 1:].float(), stride)
        found += [spread, averages(spread, sizes)[-1]]
    if "tta_scales" in inputs:
        own = inputs["tta"][:, :1].float() if "tta" in inputs else base_logits.float()
        apart = (_pooled(inputs["tta_scales"].float(), stride).sigmoid() - _pooled(own, stride).sigmoid()).abs()
        found += [apart, averages(apart, sizes)[-1]]
    if "images" in inputs:
        image = _pooled(pixel_values(inputs["images"]) / 255, stride)
        found += _of_image(image, logits.sigmoid(), sizes, max(2, 8 // stride))
    if "several_maps" in inputs:
        single = torch.cat([base_logits, inputs["several_maps"][:, 1:]], dim=1).float()
        found += _of_several(_pooled(single.clamp(-LARGEST_LOGIT, LARGEST_LOGIT), stride), sizes)
    return torch.cat(found, dim=1)


def _of_several(logits: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    """What each model says, here and around, and how far the models disagree."""
    p = logits.sigmoid()
    disagreement = p.amax(1, keepdim=True) - p.amin(1, keepdim=True)
    around = averages(torch.cat([p, disagreement], dim=1), sizes[-2:])
    whole = [mean(logits), mean(p), mean(disagreement)]
    return [logits, disagreement, *around, *(value.expand(-1, -1, *logits.shape[-2:]) for value in whole)]


def _of_map(logits: Tensor, sizes: tuple[int, ...]) -> list[Tensor]:
    p = logits.sigmoid()
    doubt = p * (1 - p)
    whole = [
        mean(logits),
        mean(p),
        mean((logits > 0).float()),
        mean(doubt),
        mean(p * p) / (mean(p) + 1e-3),
        F.avg_pool2d(p, sizes[-2]).amax((2, 3), keepdim=True),
        (mean(logits**2) - mean(logits) ** 2).clamp(min=0).sqrt(),
    ]
    height, width = logits.shape[-2:]
    y = (2 * torch.arange(height, device=logits.device) / (height - 1) - 1).view(1, 1, -1, 1).expand_as(logits)
    x = (2 * torch.arange(width, device=logits.device) / (width - 1) - 1).view(1, 1, 1, -1).expand_as(logits)
    around = averages(torch.cat([logits, p, doubt], dim=1), sizes)
    return [logits, p, *around, *(value.expand_as(logits) for value in whole), y, x.abs(), (x * x + y * y).sqrt()]


def _of_image(image: Tensor, p: Tensor, sizes: tuple[int, ...], fine: int) -> list[Tensor]:
    grey, coarse = image.mean(1, keepdim=True), sizes[-1]
    blurred = averages(torch.cat([image, grey], dim=1), sizes)
    squares = averages(grey * grey, sizes[:2])
    texture = [
        (square - level[:, -1:] ** 2).clamp(min=0).sqrt() for square, level in zip(squares, blurred, strict=False)
    ]
    colourful = image.amax(1, keepdim=True) - image.amin(1, keepdim=True)
    border, everywhere = misfit(image, border_like(image)), misfit(image, torch.ones_like(border_like(image)))
    foreground, background = misfit(image, p), misfit(image, 1 - p)
    coarser = averages(torch.cat([border, everywhere, colourful], dim=1), (coarse // 2,))[0]
    return [
        image,
        *(image - level[:, :-1] for level in blurred[:3]),
        image - mean(image),
        *texture,
        *(_guided(grey, p, size) for size in (fine, coarse)),
        (background - foreground).clamp(-30, 30),
        *(value.clamp(-30, 30) for value in (border, everywhere, border - foreground)),
        coarser.clamp(-30, 30),
        colourful,
        averages(grey, (fine, coarse))[0],
        blurred[-1][:, -1:],
        _nearer_colour(image, p, coarse),
    ]


def _guided(grey: Tensor, p: Tensor, size: int) -> Tensor:
    """Probability as the best linear function of brightness around each cell."""
    means = averages(torch.cat([grey, p, grey * p, grey * grey], dim=1), (size,))[0]
    g, q, gq, gg = means.split(1, dim=1)
    slope = (gq - g * q) / ((gg - g * g).clamp(min=0) + RIDGE)
    line = averages(torch.cat([slope, q - slope * g], dim=1), (size,))[0]
    return line[:, :1] * grey + line[:, 1:]


def _nearer_colour(image: Tensor, p: Tensor, size: int) -> Tensor:
    """How much farther the colour of the background around is than that of the foreground around."""
    channels = image.shape[1]
    sums = averages(torch.cat([p, image * p, 1 - p, image * (1 - p)], dim=1), (size,))[0]
    foreground = sums[:, 1 : 1 + channels] / (sums[:, :1] + LEAST_WEIGHT)
    background = sums[:, 2 + channels :] / (sums[:, 1 + channels : 2 + channels] + LEAST_WEIGHT)
    return ((image - background).abs() - (image - foreground).abs()).sum(1, keepdim=True)


def _pooled(maps: Tensor, stride: int) -> Tensor:
    return F.avg_pool2d(maps, stride) if stride > 1 else maps
