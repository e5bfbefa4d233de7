"""What a refiner reads beside the base logits, by the names under which it is stored."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from prn_pipeline.data.pixel_values import pixel_values

RefinerInput = Literal["tta", "features", "images"]

#: The order of a refiner's arguments, whatever the order in its settings.
INPUT_ORDER: tuple[RefinerInput, ...] = ("tta", "features", "images")

#: Brings logits near the size of probabilities, so that no input drowns the others.
LOGIT_SCALE, SPREAD_SCALE = 5.0, 2.0

#: Maps that the full resolution gives: logit and probability of the base model; mean and spread of the tta.
CHANNELS: dict[str, int] = {"logits": 2, "tta": 2}


def in_order(reads: tuple[RefinerInput, ...]) -> tuple[RefinerInput, ...]:
    """The same readings, each once, in the order of `INPUT_ORDER`: settings that mean the same are the same."""
    return tuple(name for name in INPUT_ORDER if name in reads)


def channels_of(reads: tuple[RefinerInput, ...], image_channels: int) -> int:
    """How many channels `pixel_inputs` gives."""
    known = CHANNELS | {"images": image_channels, "features": 0}
    return known["logits"] + sum(known[name] for name in reads)


def pixel_inputs(base_logits: Tensor, readings: dict[str, Tensor]) -> Tensor:
    """All that is known of each pixel, on one scale.

    Args:
        base_logits: float (N,1,H,W).
        readings: tta (N,2,H,W): mean and spread of logits; images (N,C,H,W) for `pixel_values`; where they are read.

    Returns:
        float32 (N,C,H,W), C as `channels_of` says.
    """
    inputs = [base_logits / LOGIT_SCALE, base_logits.sigmoid()]
    if "tta" in readings:
        mean, spread = readings["tta"].float().split(1, dim=1)
        inputs += [mean / LOGIT_SCALE, spread / SPREAD_SCALE]
    if "images" in readings:
        inputs.append(pixel_values(readings["images"]) / 255 - 0.5)
    return torch.cat(inputs, dim=1)


def starting_logits(base_logits: Tensor, readings: dict[str, Tensor]) -> Tensor:
    """What a correction is added to, float32 (N,1,H,W): the TTA mean where they are read, else the base logits."""
    return readings["tta"][:, :1].float() if "tta" in readings else base_logits.float()


def resized_to(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Features (N,C,h,w) averaged down, or repeated up, to another height and width."""
    if features.shape[-2] > size[0]:
        return F.adaptive_avg_pool2d(features, size)
    return F.interpolate(features, size=size, mode="nearest")
