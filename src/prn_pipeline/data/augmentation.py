"""Random changes of training samples: masks and pseudo-labels follow the image."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2


class AugmentationSettings(BaseModel):
    """What may be changed at random, and how much. All off by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flips: bool = Field(False, description="mirror left-right and top-bottom, each with probability 1/2")
    turns: bool = Field(False, description="turn by a multiple of 90 degrees")
    brightness: float = Field(0.0, ge=0, lt=1, description="image values times 1 +- this")
    contrast: float = Field(0.0, ge=0, lt=1, description="image contrast times 1 +- this")
    saturation: float = Field(0.0, ge=0, lt=1, description="image saturation times 1 +- this")
    hue: float = Field(0.0, ge=0, le=0.5, description="image hue turned by up to this part of the circle")
    scale: float = Field(0.0, ge=0, lt=1, description="zoom by 1 +- this, about the centre")
    rotation: float = Field(0.0, ge=0, le=180, description="rotate by up to this many degrees, about the centre")
    blur: float = Field(0.0, ge=0, le=1, description="probability of a slight Gaussian blur of the image")
    crop: int | None = Field(None, gt=0, description="side of a random crop in pixels; null trains on whole samples")


class Augmentation:
    """Applies the settings to one sample.

    A sample is a dict of tensors: "inputs" (C,H,W), an image uint8 or a stack of maps float; every other entry is a
    label (H,W) uint8. Labels are moved with the image and never interpolated. Draws from torch's global generator,
    so a seeded run repeats itself.
    """

    #: Value of pixels that rotation and zoom bring in from outside: they count nowhere.
    OUTSIDE = 255

    def __init__(self, settings: AugmentationSettings) -> None:
        self._turns = settings.turns
        steps: list[Any] = []
        if settings.crop:
            steps.append(v2.RandomCrop(settings.crop))
        if settings.flips:
            steps += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
        if settings.scale or settings.rotation:
            steps.append(
                v2.RandomAffine(
                    degrees=settings.rotation,
                    scale=(1 - settings.scale, 1 + settings.scale),
                    interpolation=v2.InterpolationMode.BILINEAR,
                    fill={tv_tensors.Image: 0, tv_tensors.Mask: self.OUTSIDE},
                )
            )
        jitter = (settings.brightness, settings.contrast, settings.saturation, settings.hue)
        if any(jitter):
            steps.append(v2.ColorJitter(*jitter))
        if settings.blur:
            steps.append(v2.RandomApply([v2.GaussianBlur(3, (0.3, 1.5))], p=settings.blur))
        self._transform = v2.Compose(steps) if steps else None

    def __call__(self, sample: dict[str, Tensor]) -> dict[str, Tensor]:
        """The changed sample, same keys, same dtypes."""
        if self._transform is not None:
            wrapped = {
                name: tv_tensors.Image(value) if name == "inputs" else tv_tensors.Mask(value)
                for name, value in sample.items()
            }
            sample = {name: value.as_subclass(Tensor) for name, value in self._transform(wrapped).items()}
        if self._turns:
            turns = int(torch.randint(4, ()))
            sample = {name: torch.rot90(value, turns, (-2, -1)) for name, value in sample.items()}
        return sample
