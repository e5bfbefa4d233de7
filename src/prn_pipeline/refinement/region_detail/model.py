"""A small network that corrects the base logit by region and by detail; untrained, it changes nothing.

It adapts the paper's two branches to learn from few maps. The paper finds that the bias of a base model depends on the
position in the image, so that every patch needs its own threshold (section 3.1). The region branch models this
directly: for each region it predicts a shift and a scale of the logit, which is equivalent to a threshold and a
confidence per region. The detail branch corrects single pixels, which no threshold can fix.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.detail_branch import DetailBranch, start_at_zero
from prn_pipeline.refinement.region_detail.inputs import (
    channels_of,
    check_models,
    pixel_inputs,
    resized_to,
    starting_logits,
)
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

#: Bound of the logarithm of a logit's scale: a region's logits are scaled by at most e^2 = 7.4, and at least 1 / 7.4.
LARGEST_LOG_SCALE = 2.0


class CorrectedMaps(NamedTuple):
    """Logits, each float32 (N,1,H,W): after the region branch, and after both; equal if there is no detail branch."""

    by_region: Tensor
    final: Tensor


class RegionDetailNet(nn.Module):
    """Base logits and further inputs -> corrected logits.

    Args:
        settings: inputs and sizes of the branches; with input features, `feature_channels` must be set.
    """

    def __init__(self, settings: RegionDetailSettings) -> None:
        super().__init__()
        self.settings = settings
        features = (settings.feature_channels or 0) if "features" in settings.inputs else 0
        pixels = channels_of(settings.inputs, settings.image_channels, settings.several_maps_channels or 0)
        # The scale of features depends on the base model; running statistics normalise it.
        self.feature_norm = nn.BatchNorm2d(features, affine=False) if features else None
        self.region = RegionBranch(pixels + features, settings.region_width) if settings.region_size else None
        self.detail = (
            DetailBranch(pixels, features, settings.detail_width, settings.detail_levels)
            if settings.detail_width
            else None
        )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the inputs of `forward`, in order; the base logits come first."""
        return self.settings.arrays

    def forward(self, base_logits: Tensor, *inputs: Tensor) -> CorrectedMaps:
        """Logits after each of the two corrections.

        Args:
            base_logits: float (N,1,H,W); H and W are multiples of `settings.multiple`.
            inputs: in the order of `arrays`: tta (N,2,H,W), tta_scales (N,1,H,W), features (N,C,h,w),
                images (N,3,H,W), 0 .. 255, several_maps (N,K,H,W).

        Raises:
            UserError: wrong number of inputs, maps of another number of models than in training, or H or W is not a
                multiple of `settings.multiple`.
        """
        self._check(base_logits, len(inputs))
        named_inputs = dict(zip(self.arrays[1:], inputs, strict=True))
        check_models(named_inputs, self.settings.several_maps_channels)
        base = base_logits.float()
        pixels = pixel_inputs(base, named_inputs)
        features = self.feature_norm(named_inputs["features"].float()) if self.feature_norm is not None else None
        by_region = starting_logits(base, named_inputs)
        if self.region is not None:
            shift, log_scale = self.region_field(pixels, features)
            by_region = by_region * log_scale.exp() + shift
        final = by_region if self.detail is None else by_region + self.detail(pixels, features)
        return CorrectedMaps(by_region, final)

    def region_field(self, pixels: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """Shift, and logarithm of the scale, of the logit: each float32 (N,1,H,W), interpolated between regions."""
        assert self.region is not None
        size = self.settings.region_size
        pooled = F.avg_pool2d(pixels, size)
        if features is not None:
            pooled = torch.cat([pooled, resized_to(features, (pooled.shape[-2], pooled.shape[-1]))], dim=1)
        field = F.interpolate(self.region(pooled).float(), size=pixels.shape[-2:], mode="bilinear")
        return field[:, :1], LARGEST_LOG_SCALE * torch.tanh(field[:, 1:] / LARGEST_LOG_SCALE)

    def _check(self, base_logits: Tensor, inputs: int) -> None:
        if inputs != len(self.arrays) - 1:
            raise UserError(
                f"this refiner reads {', '.join(self.arrays)}, in this order, but was given {1 + inputs} inputs:"
                " pass all of them, or train a refiner with other `inputs`"
            )
        if any(side % self.settings.multiple for side in base_logits.shape[-2:]):
            raise UserError(
                f"maps have {tuple(base_logits.shape[-2:])} pixels, expected sides that are multiples of"
                f" {self.settings.multiple}: resize or pad them, or lower detail_levels and region_size"
            )


class RegionBranch(nn.Sequential):
    """Averages of regions (N,C,g,g) -> two values per region (N,2,g,g), zero before training.

    The receptive field is nine regions wide, so that a region is compared with its neighbours.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=3, padding=1),
            nn.ReLU(),
            start_at_zero(nn.Conv2d(width, 2, kernel_size=1)),
        )
