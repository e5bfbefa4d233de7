"""What a base model says of an image, and what refiners may read of it besides: other views, and its features."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prn_pipeline.segmentation.model import BaseModel

#: Axes along which the image is flipped: not at all, left-right, top-bottom, both.
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))

#: Pixels by which it is then moved down and right: a quarter of the usual stride of 32, so that the coarse levels of
#: the network lay their grids elsewhere.
SHIFTS = (0, 8)


class BaseMaps(NamedTuple):
    """Maps of a batch of images.

    Attributes:
        logits: (N,1,H,W), of the image as it is.
        views: (N,2,H,W), mean and standard deviation of the logits over all flips and shifts; None where not asked for.
        features: (N,C,h,w), the decoder's last map, h at most H / 2; None where not asked for.
    """

    logits: Tensor
    views: Tensor | None
    features: Tensor | None


class MapMaker(nn.Module):
    """A base model that gives `BaseMaps`.

    Args:
        model: trained.
        views: look at each image eight times; seven more passes of the model.
        features: keep the decoder's last map, which costs nothing but space.
    """

    def __init__(self, model: BaseModel, views: bool = True, features: bool = True) -> None:
        super().__init__()
        self.model = model
        self._views = views
        self._features = features

    def forward(self, images: Tensor) -> BaseMaps:
        """Images (N,3,H,W), uint8 or float, values 0 .. 255."""
        logits, features = self.model.with_features(images)
        logits = logits.float()
        return BaseMaps(
            logits,
            self._seen_again(images, logits) if self._views else None,
            at_half_resolution(features, images.shape[-2]) if self._features else None,
        )

    def _seen_again(self, images: Tensor, logits: Tensor) -> Tensor:
        seen = [logits]
        for flip, shift in list(itertools.product(FLIPS, SHIFTS))[1:]:
            view = self.model(moved(images.flip(flip), shift)).float()
            # Moved back, a view knows nothing of the last rows and columns.
            view = F.pad(view[..., shift:, shift:], (0, shift, 0, shift), value=torch.nan)
            seen.append(view.flip(flip))
        views = torch.cat(seen, dim=1)
        mean = views.nanmean(dim=1, keepdim=True)
        return torch.cat([mean, (views - mean).square().nanmean(dim=1, keepdim=True).sqrt()], dim=1)


def moved(images: Tensor, shift: int) -> Tensor:
    """Images (N,C,H,W) moved down and right by `shift` pixels; what comes in is a reflection."""
    height, width = images.shape[-2:]
    return F.pad(images.float(), (shift, 0, shift, 0), mode="reflect")[..., :height, :width] if shift else images


def at_half_resolution(features: Tensor, height: int) -> Tensor:
    """Features (N,C,h,w) in float32, averaged down until h is at most `height` / 2; coarser ones stay as they are."""
    factor = max(1, -(-2 * features.shape[-2] // height))
    return F.avg_pool2d(features.float(), factor)
