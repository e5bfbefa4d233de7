"""What a user would reach for before training a refiner, behind the interface of `refiner.Refiner`.

Each is a module that takes base logits (N,1,H,W) and returns logits (N,1,H,W), foreground where they are above 0: it
can stand wherever a trained refiner stands. It only decides, though: the size of its logits is the base model's.
`PatchOracle` sees the truth too, so it is no rival but the bound for all.
"""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.baselines.binarization import RankMetric, rankseg_masks, threshold_masks
from prn_pipeline.refinement.baselines.threshold_tuning import HALF
from prn_pipeline.refinement.pseudo_labels.candidates import PAPER_LEVELS
from prn_pipeline.refinement.pseudo_labels.labels import patch_pseudo_labels

#: Above 0 also after storage in float16, whose smallest positive number it is.
LEAST_FOREGROUND = torch.finfo(torch.float16).smallest_normal * torch.finfo(torch.float16).eps


def apply_mask_to_logits(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits that say what the masks say, as sure as before: unchanged where both agree, else of the other sign.

    Args:
        logits: float (...).
        masks: of the same shape; non-zero is foreground.

    Returns:
        float32 (...), above 0 exactly where `masks` is foreground, also when stored in float16: a foreground logit is
        at least `LEAST_FOREGROUND`. NaN stays NaN.
    """
    size = logits.float().abs()
    return torch.where(masks != 0, size.clamp(min=LEAST_FOREGROUND), -size)


class Decision(nn.Module):
    """A rule that gives masks and no probabilities: `apply_mask_to_logits` turns the masks into logits."""


class FixedThreshold(Decision):
    """One threshold for every pixel of every image; `FixedThreshold(tuner.best())` is the tuned one.

    Args:
        threshold: foreground is a probability above it, compared in float32. It is part of the state dict.

    Raises:
        UserError: not in [0, 1].
    """

    threshold: Tensor

    def __init__(self, threshold: float = HALF) -> None:
        super().__init__()
        if not 0 <= threshold <= 1:
            raise UserError(f"threshold={threshold!r} must lie in [0, 1]: it is compared with probabilities")
        self.register_buffer("threshold", torch.tensor(threshold, dtype=torch.float32))

    def forward(self, base_logits: Tensor) -> Tensor:
        """Base logits float (N,1,H,W) -> float32 (N,1,H,W), above 0 exactly where probability > threshold."""
        return apply_mask_to_logits(base_logits, threshold_masks(base_logits.float().sigmoid(), self.threshold))


class RankSeg(Decision):
    """RankSEG image by image; see `rankseg_masks`.

    Args:
        metric: "iou" or "dice".

    Raises:
        UserError: another metric.
    """

    def __init__(self, metric: RankMetric = "iou") -> None:
        super().__init__()
        if metric not in get_args(RankMetric):
            raise UserError(f"metric {metric!r} is unknown; choose one of {', '.join(get_args(RankMetric))}")
        self.metric = metric

    def forward(self, base_logits: Tensor) -> Tensor:
        """Base logits float (N,1,H,W) -> float32 (N,1,H,W), above 0 exactly where RankSEG's masks are foreground."""
        masks = rankseg_masks(base_logits[:, 0].float().sigmoid(), self.metric)
        return apply_mask_to_logits(base_logits, masks[:, None])


class PatchOracle(Decision):
    """The most that thresholds can do: each patch at the one that suits its truth best; see `patch_pseudo_labels`.

    Args:
        patch_size: pixels a side.
        levels: candidate thresholds a patch; None = exact.
    """

    def __init__(self, patch_size: int, levels: int | None = PAPER_LEVELS) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.levels = levels

    def forward(self, base_logits: Tensor, masks: Tensor) -> Tensor:
        """Base logits and the truth -> float32 (N,1,H,W), above 0 exactly where the pseudo-labels are foreground.

        Args:
            base_logits: float (N,1,H,W).
            masks: uint8 (N,H,W): 0, 1, or 255 for "ignore", which comes out as background.

        Raises:
            UserError: see `patch_pseudo_labels`.
        """
        found = patch_pseudo_labels(base_logits[:, 0].float().sigmoid(), masks, self.patch_size, self.levels)
        return apply_mask_to_logits(base_logits, (found.labels == 1)[:, None])
