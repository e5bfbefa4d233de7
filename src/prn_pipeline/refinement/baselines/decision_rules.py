"""Decision rules that need no training, with the interface of a refiner.

Each is a module from base logits (N,1,H,W) to logits (N,1,H,W), foreground above 0, so it can replace a trained
refiner. A rule only decides the sign of a logit; the magnitude stays that of the base model.
`PatchOracle` also takes the true masks, so it is not a baseline.
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

#: The smallest positive float16 number, so that a foreground logit stays above 0 when it is stored.
MIN_FOREGROUND_LOGIT = torch.finfo(torch.float16).smallest_normal * torch.finfo(torch.float16).eps


def apply_mask_to_logits(logits: Tensor, masks: Tensor) -> Tensor:
    """Logits whose sign is the mask: unchanged where logit and mask agree, with the opposite sign where they do not.

    Args:
        logits: float (...).
        masks: of the same shape; non-zero is foreground.

    Returns:
        float32 (...), above 0 exactly where `masks` is foreground, also after storage in float16: a foreground logit is
        at least `MIN_FOREGROUND_LOGIT`. NaN stays NaN.
    """
    magnitude = logits.float().abs()
    return torch.where(masks != 0, magnitude.clamp(min=MIN_FOREGROUND_LOGIT), -magnitude)


class Decision(nn.Module):
    """A rule that gives masks but no probabilities: `apply_mask_to_logits` turns the masks into logits."""


class FixedThreshold(Decision):
    """One threshold for every pixel of every image; `FixedThreshold(tuner.best())` is the tuned threshold.

    Args:
        threshold: probabilities above it are foreground, compared in float32. Stored in the state dict.

    Raises:
        UserError: the threshold is not in [0, 1].
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
    """RankSEG, image by image; see `rankseg_masks`.

    Args:
        metric: "iou" or "dice".

    Raises:
        UserError: the metric is unknown.
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
    """Each patch at the threshold that is best for the IoU of its true mask; see `patch_pseudo_labels`.

    Not an upper bound of `iou_micro`: the best IoU of each patch is not the best sum of pixels over all of them, and
    the candidates do not reach below 1 / `levels`.

    Args:
        patch_size: pixels per side.
        levels: candidate thresholds per patch; None = exact.
    """

    def __init__(self, patch_size: int, levels: int | None = PAPER_LEVELS) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.levels = levels

    def forward(self, base_logits: Tensor, masks: Tensor) -> Tensor:
        """Base logits and true masks -> float32 (N,1,H,W), above 0 exactly where the pseudo-labels are foreground.

        Args:
            base_logits: float (N,1,H,W).
            masks: uint8 (N,H,W): 0, 1, or 255 for "ignore", which becomes background.

        Raises:
            UserError: see `patch_pseudo_labels`.
        """
        found = patch_pseudo_labels(base_logits[:, 0].float().sigmoid(), masks, self.patch_size, self.levels)
        return apply_mask_to_logits(base_logits, (found.labels == 1)[:, None])
