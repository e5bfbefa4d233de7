"""The training objective of a base model."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from segmentation_models_pytorch import losses
from torch import Tensor, nn

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.segmentation.shared_settings import LossName

Term = Callable[[Tensor, Tensor], Tensor]


class MaskObjective:
    """A loss between logits and true masks; pixels with mask 255 are ignored.

    Args:
        loss: names of the terms, joined by "_".
        classes: 1 for masks of 0 and 1 and one logit per pixel; more for masks of class ids and one softmax logit per
            class.
    """

    def __init__(self, loss: LossName, classes: int = 1) -> None:
        terms = _BINARY if classes == 1 else _MULTICLASS
        self._terms = [terms[name] for name in loss.split("_")]

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Mean of the loss terms (float32), and logits (N,C,H,W); the support of an episode is also passed on."""
        support = [batch[name] for name in ("support_images", "support_masks") if name in batch]
        logits = network(batch["inputs"], *support).float()
        masks = batch["masks"] if logits.shape[1] > 1 else batch["masks"].unsqueeze(1)
        terms = [term(logits, masks) for term in self._terms]
        return sum(terms[1:], terms[0]) / len(terms), logits


def _bce(logits: Tensor, masks: Tensor) -> Tensor:
    valid = masks != IGNORE
    pixelwise = F.binary_cross_entropy_with_logits(logits, (masks == 1).to(logits.dtype), reduction="none")
    return (pixelwise * valid).sum() / valid.sum().clamp(min=1)


def _cross_entropy(logits: Tensor, masks: Tensor) -> Tensor:
    pixelwise = F.cross_entropy(logits, masks.long(), ignore_index=IGNORE, reduction="none")
    return pixelwise.sum() / (masks != IGNORE).sum().clamp(min=1)


def _jaccard(logits: Tensor, masks: Tensor) -> Tensor:
    # The library's soft Jaccard has no ignore value: set ignored pixels to 0 in both maps.
    valid = (masks != IGNORE).to(logits.dtype)
    return 1 - _soft_iou(logits.sigmoid() * valid, (masks == 1).to(logits.dtype))


def _jaccard_of_classes(logits: Tensor, masks: Tensor) -> Tensor:
    valid = (masks != IGNORE).unsqueeze(1).to(logits.dtype)
    truth = F.one_hot(torch.where(masks == IGNORE, 0, masks).long(), logits.shape[1]).movedim(-1, 1) * valid
    probabilities = logits.softmax(1) * valid
    classes = zip(probabilities.unbind(1), truth.to(logits.dtype).unbind(1), strict=True)
    return 1 - torch.stack([_soft_iou(predicted, true) for predicted, true in classes]).mean()


def _soft_iou(probabilities: Tensor, truth: Tensor) -> Tensor:
    overlap = (probabilities * truth).sum()
    return (overlap + 1) / (probabilities.sum() + truth.sum() - overlap + 1)


def _library(loss: nn.Module) -> Term:
    return lambda logits, masks: loss(logits, masks.long())


def _of_library(mode: str) -> dict[str, Term]:
    return {
        "dice": _library(losses.DiceLoss(mode, ignore_index=IGNORE, smooth=1.0)),
        "focal": _library(losses.FocalLoss(mode, ignore_index=IGNORE)),
        "lovasz": _library(losses.LovaszLoss(mode, ignore_index=IGNORE)),
        "tversky": _library(losses.TverskyLoss(mode, ignore_index=IGNORE, smooth=1.0, alpha=0.3, beta=0.7)),
    }


_BINARY: dict[str, Term] = {"bce": _bce, "jaccard": _jaccard, **_of_library("binary")}
_MULTICLASS: dict[str, Term] = {"bce": _cross_entropy, "jaccard": _jaccard_of_classes, **_of_library("multiclass")}
