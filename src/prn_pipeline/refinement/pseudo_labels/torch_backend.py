"""Pseudo-labels on a GPU, in plain torch, with the same bits as the CPU kernel: both compare the same integers.

Counts are integers and each score is one float64 division, so no order of summation can change the result.
"""

from __future__ import annotations

import torch
from torch import Tensor

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.pseudo_labels.candidates import candidate_thresholds
from prn_pipeline.refinement.validation import check_masks, check_probabilities

CHUNK_IMAGES = 16

Found = tuple[Tensor, Tensor, Tensor]


def patch_pseudo_labels_torch(
    probabilities: Tensor, masks: Tensor, patch_size: int, levels: int | None, smooth: float
) -> Found:
    """`patch_pseudo_labels` for tensors on one device, CPU included: labels, thresholds and IoU on that device.

    Works on 16 images at a time, with about 40 bytes of temporary memory per pixel (exact: 100).
    """
    _check(probabilities, masks)
    chunks = zip(torch.split(probabilities, CHUNK_IMAGES), torch.split(masks, CHUNK_IMAGES), strict=True)
    found = [_one_chunk(maps.detach(), truth, patch_size, levels, smooth) for maps, truth in chunks]
    labels, thresholds, iou = (torch.cat(arrays) for arrays in zip(*found, strict=True))
    return labels, thresholds, iou


def _one_chunk(maps: Tensor, masks: Tensor, patch_size: int, levels: int | None, smooth: float) -> Found:
    n, height, width = maps.shape
    values = maps.float() + 0.0  # turns -0.0 into 0.0, because the sign bit of -0.0 would break the order
    patch, grid = _patch_of_pixel(n, height, width, patch_size, maps.device)
    used = masks != IGNORE
    search = (patch[used], values[used], masks[used].bool(), grid.numel())
    thresholds, iou = _exact(*search, smooth) if levels is None else _on_levels(*search, levels, smooth=smooth)
    labels = (values > thresholds[patch]).to(torch.uint8)
    return labels.masked_fill_(~used, IGNORE), thresholds.view(grid.shape), iou.float().view(grid.shape)


def _patch_of_pixel(n: int, height: int, width: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Index of each pixel's patch, int64 (n, height, width), and the indices as a grid of patches."""
    rows, columns = -(-height // size), -(-width // size)
    grid = torch.arange(n * rows * columns, device=device).view(n, rows, columns)
    row = torch.arange(height, device=device) // size
    column = torch.arange(width, device=device) // size
    return grid[:, row[:, None], column], grid


def _on_levels(
    patch: Tensor, values: Tensor, positive: Tensor, patches: int, levels: int, *, smooth: float
) -> tuple[Tensor, Tensor]:
    thresholds = torch.from_numpy(candidate_thresholds(levels)).to(values.device)
    rank = torch.bucketize(values, thresholds)  # number of thresholds strictly below
    slot = (patch * 2 + positive) * (levels + 1) + rank
    counts = torch.bincount(slot, minlength=patches * 2 * (levels + 1)).view(patches, 2, levels + 1)
    outside, inside = counts.flip(2).cumsum(2).flip(2)[:, :, 1:].unbind(1)
    truth = counts[:, 1].sum(1, keepdim=True)
    score = _score(inside, truth + outside, smooth)
    best, _ = score.max(1, keepdim=True)
    lowest = (score == best).int().argmax(1)  # argmax of equal values is the first: the lowest threshold
    return thresholds[lowest], best.squeeze(1)


def _exact(patch: Tensor, values: Tensor, positive: Tensor, patches: int, smooth: float) -> tuple[Tensor, Tensor]:
    # One sort orders all patches at once: the patch index in the high bits, the bits of the float in the low ones.
    # Every patch also gets the candidate 0, with weight 0.
    every = torch.arange(patches, device=patch.device)
    key, order = torch.cat([patch << 32 | values.view(torch.int32), every << 32]).sort()
    weight = torch.cat([torch.ones_like(patch), torch.zeros_like(every)])[order]
    truths = torch.cat([positive.long(), torch.zeros_like(every)])[order]
    candidate, group = key.unique_consecutive(return_inverse=True)
    owner = candidate >> 32
    counts = torch.stack([truths, weight]).cumsum(1)
    last = torch.bincount(group).cumsum(0) - 1
    end_of_patch = last[torch.bincount(owner, minlength=patches).cumsum(0) - 1]
    inside, chosen = (counts[:, end_of_patch][:, owner] - counts[:, last]).unbind(0)  # strictly above the candidate
    truth = torch.bincount(patch[positive], minlength=patches)[owner]
    score = _score(inside, truth + chosen - inside, smooth)
    best = score.new_full((patches,), -1.0).scatter_reduce_(0, owner, score, "amax")
    winners = (score == best[owner]).nonzero().squeeze(1)
    first = torch.full_like(every, len(candidate)).scatter_reduce_(0, owner[winners], winners, "amin")
    return (candidate[first] & 0xFFFFFFFF).int().view(torch.float32), best


def _score(intersection: Tensor, union: Tensor, smooth: float) -> Tensor:
    total = union.double() + smooth
    return torch.where(total > 0, (intersection.double() + smooth) / total, 1.0)


def _check(probabilities: Tensor, masks: Tensor) -> None:
    if masks.device != probabilities.device:
        raise UserError(
            f"masks are on {masks.device}, probabilities on {probabilities.device}; move both to one device"
        )
    valid = (
        probabilities.dtype in (torch.float16, torch.float32)
        and masks.dtype in (torch.uint8, torch.bool)
        and probabilities.ndim == 3
        and masks.shape == probabilities.shape
        and bool(((probabilities >= 0) & (probabilities <= 1)).all())
        and bool(((masks <= 1) | (masks == IGNORE)).all())
    )
    if not valid:  # only the error message needs a copy on the CPU
        found = probabilities.detach().cpu()
        check_probabilities((found if found.dtype != torch.bfloat16 else found.double()).numpy())
        check_masks(masks.cpu().numpy(), tuple(found.shape))
