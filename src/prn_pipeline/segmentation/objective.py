"""What a base model is trained on."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from segmentation_models_pytorch import losses
from torch import Tensor, nn

from prn_pipeline.segmentation.settings import LossName

IGNORE = 255


class MaskObjective:
    """A loss between logits and true masks; pixels with mask 255 count nowhere."""

    def __init__(self, loss: LossName) -> None:
        self._terms = [_TERMS[name] for name in loss.split("_")]

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean of the loss's terms, in float32, and the logits (N,1,H,W)."""
        logits = network(batch["inputs"]).float()
        masks = batch["masks"].unsqueeze(1)
        terms = [term(logits, masks) for term in self._terms]
        return sum(terms[1:], terms[0]) / len(terms), logits


def _bce(logits: Tensor, masks: Tensor) -> Tensor:
    valid = masks != IGNORE
    pixelwise = F.binary_cross_entropy_with_logits(logits, (masks == 1).to(logits.dtype), reduction="none")
    return (pixelwise * valid).sum() / valid.sum().clamp(min=1)


def _jaccard(logits: Tensor, masks: Tensor) -> Tensor:
    valid = (masks != IGNORE).to(
        logits.dtype
    )  # the library's soft Jaccard has no ignore value: blank those pixels on both sides
    probabilities, truth = logits.sigmoid() * valid, (masks == 1).to(logits.dtype)
    overlap = (probabilities * truth).sum()
    return 1 - (overlap + 1) / (probabilities.sum() + truth.sum() - overlap + 1)


def _library(loss: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda logits, masks: loss(logits, masks.long())


_TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": _bce,
    "dice": _library(losses.DiceLoss("binary", ignore_index=IGNORE, smooth=1.0)),
    "jaccard": _jaccard,
    "focal": _library(losses.FocalLoss("binary", ignore_index=IGNORE)),
    "lovasz": _library(losses.LovaszLoss("binary", ignore_index=IGNORE)),
    "tversky": _library(losses.TverskyLoss("binary", ignore_index=IGNORE, smooth=1.0, alpha=0.3, beta=0.7)),
}
