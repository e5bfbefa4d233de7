"""RankSEG for foreground as a shift of all logits of a map: a threshold for each map, found without its truth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def expected_iou_shift(logits: Tensor) -> Tensor:
    """The shift under which the pixels above 0 are the mask of highest expected IoU, for each map.

    RankSEG's solver RMA (Wang and Dai, NeurIPS 2025) without smoothing: of the k most probable pixels, for every k, it
    takes those with the highest (sum of their probabilities) / (k + sum of all other probabilities). A map without a
    probability above 0.5 stays empty. Of pixels of equal probability the library takes as many as fit, in any order;
    here all of them or none are foreground, as a threshold does it.

    Args:
        logits: float (N,1,H,W) of whole maps.

    Returns:
        float32 (N,1,1,1), to be added to the logits.
    """
    return shift_of_ranked(logits.float().flatten(1).sort(dim=1, descending=True).values)


def ranked_on_cpu(logits: Tensor) -> Tensor:
    """The argument of `shift_of_ranked`, in a tenth of the time of `Tensor.sort`: logits float (N,1,H,W) on the CPU."""
    ascending = np.sort(logits.float().flatten(1).numpy(), axis=1)
    return torch.from_numpy(np.ascontiguousarray(ascending[:, ::-1]))


def shift_of_ranked(ranked: Tensor) -> Tensor:
    """`expected_iou_shift` of logits float32 (N, pixels) in descending order: (N,1,1,1)."""
    probabilities = ranked.sigmoid()
    hits = probabilities.cumsum(1)
    size = torch.arange(1, ranked.shape[1] + 1, device=ranked.device, dtype=torch.float32)
    expected = hits / (size + probabilities.sum(1, keepdim=True) - hits)
    lowest = ranked.gather(1, expected.argmax(1, keepdim=True))
    below = torch.where(ranked < lowest, ranked, lowest - 1).amax(1, keepdim=True)
    above_half = ranked[:, :1] > 0
    threshold = torch.where(above_half, (lowest + below) / 2, 0.0)
    return -threshold[:, :, None, None]
