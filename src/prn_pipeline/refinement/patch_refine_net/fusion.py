"""Fusion of the two refined maps into one mask (paper section 3.4)."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.model import RefinedMaps
from prn_pipeline.refinement.patch_refine_net.settings import FusionRule


def fuse(global_probabilities: Tensor, local_probabilities: Tensor) -> Tensor:
    """The paper's rule (section 3.4): local foreground where global agrees, dilated 3 x 3, united with global.

    Args:
        global_probabilities: float (..., H, W) in [0, 1].
        local_probabilities: of the same shape.

    Returns:
        uint8 (..., H, W), 1 for foreground.

    Raises:
        UserError: the maps differ in shape, or have fewer than two dimensions.
    """
    if global_probabilities.shape != local_probabilities.shape or global_probabilities.ndim < 2:
        raise UserError(
            f"global probabilities have shape {tuple(global_probabilities.shape)}, local ones "
            f"{tuple(local_probabilities.shape)}; expected two maps (..., H, W) of the same shape"
        )
    return (_paper_rule(global_probabilities, local_probabilities) > 0.5).to(torch.uint8)


def fuse_logits(refined: RefinedMaps, rule: FusionRule = "paper") -> Tensor:
    """Fused logits: the mask is `logits > 0`, and `sigmoid` gives a probability map.

    Args:
        refined: logits (N, 1, H, W) of both branches; without a local branch every rule but "local" returns the global
            logits.
        rule: "paper" as in `fuse`; "average", the logit of the mean of both probabilities; "global"; "local".

    Returns:
        float (N, 1, H, W).

    Raises:
        UserError: the rule is unknown, or "local" without a local branch.
    """
    if rule not in get_args(FusionRule):
        raise UserError(f"fusion rule {rule!r} is unknown; choose one of {', '.join(get_args(FusionRule))}")
    global_logits, local_logits = refined
    if local_logits is None:
        if rule == "local":
            raise UserError("fusion rule 'local' needs a local branch, but this model has grid=0; choose 'global'")
        return global_logits
    if rule == "paper":
        return _paper_rule(global_logits, local_logits)
    if rule == "average":
        return _logit_of_mean(global_logits, local_logits)
    return global_logits if rule == "global" else local_logits


def _paper_rule(global_maps: Tensor, local_maps: Tensor) -> Tensor:
    """The rule on continuous maps. It takes minima and maxima only, so thresholding before or after gives the same
    mask, and so does any increasing function: the same code works for probabilities and logits."""
    agreed = torch.minimum(local_maps, global_maps)
    height, width = agreed.shape[-2:]
    dilated = F.max_pool2d(agreed.reshape(-1, 1, height, width), kernel_size=3, stride=1, padding=1)
    return torch.maximum(global_maps, dilated.reshape(agreed.shape))


def _logit_of_mean(a: Tensor, b: Tensor) -> Tensor:
    """logit((sigmoid(a) + sigmoid(b)) / 2), computed from logarithms so that no term saturates."""
    a, b = a.float(), b.float()
    return torch.logaddexp(F.logsigmoid(a), F.logsigmoid(b)) - torch.logaddexp(F.logsigmoid(-a), F.logsigmoid(-b))
