"""The losses of PatchRefineNet, from logits (paper section 3.3).

With m a branch's probability map, r the pseudo-label and y the true mask:

- region loss `0.7 focal(m, r) + 0.3 edge(m, r)`: mean of `0.75 (1 - exp(-bce))^2 bce`, and cross-entropy between the
  edge maps `relu(tanh(laplacian(.)))`;
- regularization loss: cross-entropy between m and y, foreground weighted 1.12;
- total `0.7 region + 0.3 regularization`, the mean of both branches.

kind="paper" computes these. kind="released" computes what the authors' training script computes: it passes (label,
prediction) to functions that expect (prediction, label), which turns every cross-entropy into an L1-like distance
scaled by the clamp of the logarithm. kind="dice" is for the residual refiner, which starts from a good map.

Labels are (N, H, W) or (N, 1, H, W), any dtype, 0 and 1. Every mean ignores pixels with label 255; the edge loss also
ignores their eight neighbours. All losses are computed in float32 (float64 for float64 logits), inside autocast too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.edges import LOWEST_LOG, edge_cross_entropy
from prn_pipeline.refinement.patch_refine_net.model import RefinedMaps
from prn_pipeline.refinement.patch_refine_net.settings import LossKind
from prn_pipeline.refinement.validation import match_labels

PaperKind = Literal["paper", "released"]

FOCAL_SHARE, EDGE_SHARE = 0.7, 0.3
FOCAL_ALPHA, FOCAL_GAMMA = 0.75, 2
REGION_SHARE, REGULARIZATION_SHARE = 0.7, 0.3
FOREGROUND_WEIGHT = 1.12
LOWEST_LOG_REGULARIZATION = math.log(1e-15)


@dataclass(frozen=True)
class DiceWeights:
    """Terms of kind="dice": cross-entropy and soft Dice to the mask, cross-entropy to the pseudo-label."""

    mask_bce: float = 0.5
    mask_dice: float = 0.5
    pseudo_label_bce: float = 0.5


def region_loss(logits: Tensor, pseudo_labels: Tensor, kind: PaperKind = "paper") -> Tensor:
    """L_r of the paper: focal and edge distance of logits (N, 1, H, W) to the pseudo-labels; a scalar."""
    _check_kind(kind, get_args(PaperKind))
    x, labels, valid = _prepare(logits, pseudo_labels, "pseudo-labels")
    with torch.autocast(x.device.type, enabled=False):
        bce = _bce(x, labels) if kind == "paper" else _swapped_bce(x, labels, LOWEST_LOG)
        focal = FOCAL_ALPHA * (-torch.expm1(-bce)) ** FOCAL_GAMMA * bce
        edge = edge_cross_entropy(torch.sigmoid(x), labels, swapped=kind == "released")
        # The edge of a label depends on its neighbours, so it is known only if all of them are labelled.
        known = 1 - F.max_pool2d(1 - valid, kernel_size=3, stride=1, padding=1)
        return FOCAL_SHARE * _mean(focal, valid) + EDGE_SHARE * _mean(edge, known)


def regularization_loss(logits: Tensor, masks: Tensor, kind: PaperKind = "paper") -> Tensor:
    """L_y of the paper: weighted cross-entropy of logits (N, 1, H, W) to the true masks; a scalar."""
    _check_kind(kind, get_args(PaperKind))
    x, truth, valid = _prepare(logits, masks, "masks")
    with torch.autocast(x.device.type, enabled=False):
        if kind == "paper":
            loss = _bce(x, truth, FOREGROUND_WEIGHT)
        else:
            loss = _swapped_bce(x, truth, LOWEST_LOG_REGULARIZATION, FOREGROUND_WEIGHT)
        return _mean(loss, valid)


def dice_loss(logits: Tensor, pseudo_labels: Tensor, masks: Tensor, weights: DiceWeights) -> Tensor:
    """Weighted sum of cross-entropy and soft Dice to the masks and cross-entropy to the pseudo-labels; a scalar.

    Dice is computed once over the whole batch, smoothed by 1, as `iou_micro` is over the whole set.
    """
    x, truth, valid = _prepare(logits, masks, "masks")
    _, region, region_valid = _prepare(logits, pseudo_labels, "pseudo-labels")
    with torch.autocast(x.device.type, enabled=False):
        probabilities = torch.sigmoid(x) * valid
        dice = (2 * (probabilities * truth).sum() + 1) / (probabilities.sum() + (truth * valid).sum() + 1)
        return (
            weights.mask_bce * _mean(_bce(x, truth), valid)
            + weights.mask_dice * (1 - dice)
            + weights.pseudo_label_bce * _mean(_bce(x, region), region_valid)
        )


def overlap_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy and soft Jaccard distance of logits (N, 1, H, W) to masks or pseudo-labels; a scalar.

    The Jaccard distance is computed once over the whole batch, smoothed by 1, as `iou_micro` is over the whole set.
    """
    x, truth, valid = _prepare(logits, labels, "labels")
    with torch.autocast(x.device.type, enabled=False):
        probabilities, truth = torch.sigmoid(x) * valid, truth * valid
        overlap = (probabilities * truth).sum()
        jaccard = (overlap + 1) / (probabilities.sum() + truth.sum() - overlap + 1)
        # = `_bce`; softplus takes log1p of every pixel, which takes four times as long as the logarithm of the sigmoid
        cross_entropy = F.relu(x) - x * truth - torch.sigmoid(x.abs()).log()
        return _mean(cross_entropy, valid) + 1 - jaccard


def prn_loss(
    refined: RefinedMaps,
    pseudo_labels: Tensor,
    masks: Tensor,
    kind: LossKind = "paper",
    dice_weights: DiceWeights | None = None,
) -> Tensor:
    """Training loss: the mean over both branches, or the loss of the global branch if there is no local one.

    Args:
        refined: logits of `PatchRefineNet`, each (N, 1, H, W).
        pseudo_labels: (N, H, W) or (N, 1, H, W), 0, 1 or 255 (ignored).
        masks: like `pseudo_labels`.
        kind: "paper", "released" or "dice"; see the docstring of this module.
        dice_weights: for kind="dice"; None means `DiceWeights()`.

    Raises:
        UserError: labels and logits differ in shape, or the kind is unknown.
    """
    _check_kind(kind, get_args(LossKind))

    def branch_loss(logits: Tensor) -> Tensor:
        if kind == "dice":
            return dice_loss(logits, pseudo_labels, masks, dice_weights or DiceWeights())
        region = region_loss(logits, pseudo_labels, kind)
        return REGION_SHARE * region + REGULARIZATION_SHARE * regularization_loss(logits, masks, kind)

    losses = [branch_loss(logits) for logits in refined if logits is not None]
    return torch.stack(losses).mean()


def _check_kind(kind: str, known: tuple[str, ...]) -> None:
    if kind not in known:
        raise UserError(f"loss {kind!r} is unknown; choose one of {', '.join(known)}")


def _prepare(logits: Tensor, labels: Tensor, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Logits and labels in full precision (ignored labels as 0), and a float map that is 1 where a label is valid."""
    x = logits if logits.dtype == torch.float64 else logits.float()
    labels = match_labels(labels, logits, name)
    ignored = labels == IGNORE
    return x, labels.to(x.dtype).masked_fill(ignored, 0), (~ignored).to(x.dtype)


def _mean(loss: Tensor, valid: Tensor) -> Tensor:
    """Mean over the pixels where `valid` is 1; without any, zero with a gradient of zero."""
    return (loss * valid).sum() / valid.sum().clamp_min(1)


def _bce(logits: Tensor, labels: Tensor, foreground_weight: float = 1.0) -> Tensor:
    return foreground_weight * labels * F.softplus(-logits) + (1 - labels) * F.softplus(logits)


def _swapped_bce(logits: Tensor, labels: Tensor, lowest_log: float, foreground_weight: float = 1.0) -> Tensor:
    """Cross-entropy with the label as the prediction: its logarithms are 0 or the clamp."""
    log_label, log_complement = (torch.log(values).clamp_min(lowest_log) for values in (labels, 1 - labels))
    foreground = torch.sigmoid(logits)
    return -(foreground_weight * foreground * log_label + torch.sigmoid(-logits) * log_complement)
