"""Random changes of training samples: masks and pseudo-labels move with the image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from prn_pipeline.data.augmentation.settings import AugmentationSettings
from prn_pipeline.data.sample_format import IGNORE

#: Largest value of a 16-bit image.
LARGEST = 65535


class Augmentation:
    """Applies the settings to one sample.

    A sample is a dict of tensors of one height and width: images (3,H,W) uint8 or (C,H,W) int32 of 16 bits, stacks of
    maps (C,H,W) float, labels (H,W) uint8. Stacks may be coarser, by a factor that divides H and W; such samples can be
    cropped, flipped and turned, but not rotated or zoomed. All tensors of a sample move together; rotation and zoom
    interpolate images and maps, never labels. Colours and blur change images only; 16-bit images change in brightness
    and contrast alone. Values without height and width, such as a fold number (), do not change.
    The random numbers are from torch's global generator, so a seeded run is reproducible.
    """

    def __init__(self, settings: AugmentationSettings) -> None:
        self._crop = settings.crop
        self._turns = settings.turns
        moves: list[Any] = []
        if settings.flips:
            moves += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
        if settings.scale or settings.rotation:
            moves.append(
                v2.RandomAffine(
                    degrees=settings.rotation,
                    scale=(1 - settings.scale, 1 + settings.scale),
                    interpolation=v2.InterpolationMode.BILINEAR,
                    fill={tv_tensors.Image: 0, tv_tensors.Mask: IGNORE},
                )
            )
        jitter = (settings.brightness, settings.contrast, settings.saturation, settings.hue)
        looks: list[Any] = []
        if any(jitter):
            looks.append(v2.ColorJitter(*jitter))
        if settings.blur:
            looks.append(v2.RandomApply([v2.GaussianBlur(3, (0.3, 1.5))], p=settings.blur))
        self._light = settings.brightness, settings.contrast
        self._move = v2.Compose(moves) if moves else None
        self._look = v2.Compose(looks) if looks else None

    def __call__(self, sample: dict[str, Tensor]) -> dict[str, Tensor]:
        """The changed sample, with the same keys and dtypes."""
        if self._crop:
            sample = _cropped(sample, self._crop)
        if self._move is not None:
            moved = {name: _wrapped(value) for name, value in sample.items() if value.ndim >= 2}
            sample = sample | _plain(self._move(moved))
        if self._look is not None:
            images = {name: tv_tensors.Image(value) for name, value in sample.items() if _is_image(value)}
            sample = sample | (_plain(self._look(images)) if images else {})
        sample = sample | {name: self._bands(value) for name, value in sample.items() if value.dtype == torch.int32}
        if self._turns:
            turns = int(torch.randint(4, ()))
            if any(value.shape[-2] != value.shape[-1] for value in sample.values() if value.ndim >= 2):
                turns &= 2  # a batch has one shape: oblong samples are turned by half a turn or not at all
            turned = {name: torch.rot90(value, turns, (-2, -1)) for name, value in sample.items() if value.ndim >= 2}
            sample = sample | turned
        return sample

    def _bands(self, image: Tensor) -> Tensor:
        """Change brightness and contrast of all bands (C,H,W) alike; colours and blur are for RGB."""
        brightness, contrast = (1 + amount * (2 * torch.rand(()) - 1) for amount in self._light)
        values = image.float() * brightness
        mean = values.mean((-2, -1), keepdim=True)
        return (mean + contrast * (values - mean)).round().clamp(0, LARGEST).to(image.dtype)


def _cropped(sample: dict[str, Tensor], side: int) -> dict[str, Tensor]:
    """A random square of `side` pixels, or the whole sample if it is no larger; coarser maps are cropped to match."""
    placed = [value.shape[-2:] for value in sample.values() if value.ndim >= 2]
    height, width = max(placed)
    step = height // min(placed)[0]  # pixels per pixel of the coarsest map
    side = min(side // step * step, height, width)
    top, left = (step * int(torch.randint((room - side) // step + 1, ())) for room in (height, width))

    def crop(value: Tensor) -> Tensor:
        factor = height // value.shape[-2]
        rows, columns = (slice(start // factor, (start + side) // factor) for start in (top, left))
        return value[..., rows, columns]

    return {name: crop(value) if value.ndim >= 2 else value for name, value in sample.items()}


def _is_image(value: Tensor) -> bool:
    return value.ndim == 3 and value.dtype == torch.uint8


def _wrapped(value: Tensor) -> tv_tensors.TVTensor:
    """Wrap as torchvision's image, which it interpolates, or as its mask, which it does not."""
    return tv_tensors.Image(value) if value.ndim == 3 else tv_tensors.Mask(value)


def _plain(wrapped: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.as_subclass(Tensor) for name, value in wrapped.items()}
