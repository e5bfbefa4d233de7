"""Probability maps to masks without a network: one threshold for all, or RankSEG.

Both take maps float (N, H, W), NumPy or torch, and return masks uint8 of the same shape, kind and device.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.refinement.baselines.threshold_tuning import HALF
from prn_pipeline.refinement.validation import as_array, check_probabilities

RankMetric = Literal["iou", "dice"]

Array = TypeVar("Array", np.ndarray, Tensor)


def threshold_masks(probabilities: Array, threshold: float | Tensor = HALF) -> Array:
    """Foreground where `probability > threshold`, compared in float32: uint8 of the same shape and kind."""
    if isinstance(probabilities, Tensor):
        return (probabilities.float() > threshold).to(torch.uint8)
    return (probabilities.astype(np.float32, copy=False) > np.float32(float(threshold))).astype(np.uint8)


def rankseg_masks(probabilities: Array, metric: RankMetric = "iou") -> Array:
    """RankSEG's masks: those of highest expected score if the probabilities are calibrated and pixels independent.

    Uses solver RMA of the library `rankseg` (Wang and Dai, NeurIPS 2025) without smoothing. The library prunes: a map
    without a probability above 0.5 gives an empty mask. The score is the expected IoU (or Dice) of each single image,
    so RankSEG optimises `iou_macro`; on uncalibrated maps it can be worse than `p > 0.5`.

    Args:
        probabilities: float16 or float32 (N, H, W) in [0, 1].
        metric: "iou", which the paper reports, or "dice".

    Returns:
        uint8 (N, H, W), of the same kind and on the same device.

    Raises:
        UserError: wrong dtype or shape, or values outside [0, 1].
    """
    from rankseg import RankSEG

    check_probabilities(as_array(probabilities))
    # The library treats one channel as a "multilabel" problem. It sorts float32 copies, so one image at a time.
    ranker = RankSEG(metric=metric, output_mode="multilabel", solver="RMA")
    maps = probabilities if isinstance(probabilities, Tensor) else torch.from_numpy(probabilities)
    masks = torch.empty(maps.shape, dtype=torch.uint8, device=maps.device)
    for image, probability in zip(masks, maps.detach(), strict=True):
        image.copy_(ranker.predict(probability.float()[None, None])[0, 0])
    return masks if isinstance(probabilities, Tensor) else masks.numpy()


def rankseg_classes(probabilities: Tensor, metric: RankMetric = "iou") -> Tensor:
    """RankSEG for several classes, one per pixel; solver and score as in `rankseg_masks`.

    Args:
        probabilities: float (N,C,H,W) that sum to 1 over the classes at each pixel.
        metric: "iou" or "dice".

    Returns:
        Class ids int64 (N,H,W).
    """
    from rankseg import RankSEG

    ranker = RankSEG(metric=metric, output_mode="multiclass", solver="RMA")
    return torch.cat([ranker.predict(image[None].float()) for image in probabilities.detach()]).long()
