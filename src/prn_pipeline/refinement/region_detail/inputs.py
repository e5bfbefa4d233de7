"""The inputs of the small networks other than the base logits, by the names of their stored arrays."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.input_order import RefinerInput

#: Divisors that scale logits to the range of probabilities, so that no input dominates.
LOGIT_SCALE, SPREAD_SCALE = 5.0, 2.0

#: Channels at full resolution: logit and probability of the base model; mean and spread over TTA; mean over scales.
CHANNELS: dict[str, int] = {"logits": 2, "tta": 2, "tta_scales": 1}


def channels_of(inputs: tuple[RefinerInput, ...], image_channels: int, several_maps: int = 0) -> int:
    """Number of channels that `pixel_inputs` returns, for images and several maps of so many channels."""
    channels = CHANNELS | {"images": image_channels, "features": 0, "several_maps": several_maps}
    return channels["logits"] + sum(channels[name] for name in inputs)


def pixel_inputs(base_logits: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """The inputs at full resolution, stacked as channels of similar scale.

    Args:
        base_logits: float (N,1,H,W).
        inputs: inputs in use: tta (N,2,H,W), mean and spread of logits; tta_scales (N,1,H,W), their mean over scales;
            images (N,C,H,W) for `pixel_values`; several_maps (N,K,H,W), logits: the mean over K models, and each but
            the first.

    Returns:
        float32 (N,C,H,W), with C from `channels_of`.
    """
    channels = [base_logits / LOGIT_SCALE, base_logits.sigmoid()]
    if "tta" in inputs:
        mean, spread = inputs["tta"].float().split(1, dim=1)
        channels += [mean / LOGIT_SCALE, spread / SPREAD_SCALE]
    if "tta_scales" in inputs:
        channels.append(inputs["tta_scales"].float() / LOGIT_SCALE)
    if "images" in inputs:
        channels.append(pixel_values(inputs["images"]) / 255 - 0.5)
    if "several_maps" in inputs:
        channels.append(inputs["several_maps"].float() / LOGIT_SCALE)
    return torch.cat(channels, dim=1)


def starting_logits(base_logits: Tensor, inputs: dict[str, Tensor]) -> Tensor:
    """The logits that a correction is added to, float32 (N,1,H,W).

    The mean over several models if it is an input, else the mean of TTA over flips and scales, else that over flips,
    else the base model's.
    """
    if "several_maps" in inputs:
        return inputs["several_maps"][:, :1].float()
    if "tta_scales" in inputs:
        return inputs["tta_scales"].float()
    return inputs["tta"][:, :1].float() if "tta" in inputs else base_logits.float()


def check_models(inputs: dict[str, Tensor], expected: int | None) -> None:
    """Raise UserError unless several_maps, if it is among the inputs, (N,K,H,W), has K = `expected` models."""
    if "several_maps" in inputs and (found := inputs["several_maps"].shape[1]) != expected:
        raise UserError(
            f"this refiner has learned from the maps of {expected} models, but was given those of {found}: pass the"
            " maps of the same models, in the same order"
        )


def resized_to(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Features (N,C,h,w) resized to another height and width: averaged when smaller, repeated when larger."""
    if features.shape[-2] > size[0]:
        return F.adaptive_avg_pool2d(features, size)
    return F.interpolate(features, size=size, mode="nearest")
