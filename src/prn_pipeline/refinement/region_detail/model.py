"""A small network that corrects the base logit by region and by detail; untrained, it changes nothing.

The paper's two branches in the form that learns from few maps. Its finding is that a base model is biased by place, so
that every patch wants a threshold of its own (section 3.1). The region branch says so directly: for each region a shift
and a scale of the logit, which is what a threshold of its own and a confidence of its own amount to. The detail branch
mends what no threshold can, pixel by pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.detail_branch import DetailBranch, start_at_zero
from prn_pipeline.refinement.region_detail.inputs import channels_of, pixel_inputs, resized_to, starting_logits
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

#: Largest scale of a logit, as its logarithm: a region may be made e^2 = 7 times as sure, or as unsure.
LARGEST_LOG_SCALE = 2.0


class CorrectedMaps(NamedTuple):
    """Logits, each float32 (N,1,H,W): corrected by region, and by detail too; equal where there is no detail branch."""

    by_region: Tensor
    final: Tensor


class RegionDetailNet(nn.Module):
    """Base logits and what else is known of them -> corrected logits.

    Args:
        settings: what it reads, with `feature_channels` where these are features, and how large its branches are.
    """

    def __init__(self, settings: RegionDetailSettings) -> None:
        super().__init__()
        self.settings = settings
        features = (settings.feature_channels or 0) if "features" in settings.inputs else 0
        pixels = channels_of(settings.inputs, settings.image_channels)
        # Features of a network have any size; running statistics bring them to one.
        self.feature_norm = nn.BatchNorm2d(features, affine=False) if features else None
        self.region = RegionBranch(pixels + features, settings.region_width) if settings.region_size else None
        self.detail = (
            DetailBranch(pixels, features, settings.detail_width, settings.detail_levels)
            if settings.detail_width
            else None
        )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the arrays that `forward` takes, in order; the base logits first."""
        return self.settings.arrays

    def forward(self, base_logits: Tensor, *inputs: Tensor) -> CorrectedMaps:
        """Logits after each of the two corrections.

        Args:
            base_logits: float (N,1,H,W); H and W are multiples of `settings.multiple`.
            inputs: in the order of `arrays`: tta (N,2,H,W), features (N,C,h,w), images (N,3,H,W), 0 .. 255.

        Raises:
            UserError: another number of inputs, or a size that does not fit.
        """
        self._check(base_logits, len(inputs))
        known = dict(zip(self.arrays[1:], inputs, strict=True))
        base = base_logits.float()
        pixels = pixel_inputs(base, known)
        features = self.feature_norm(known["features"].float()) if self.feature_norm is not None else None
        by_region = starting_logits(base, known)
        if self.region is not None:
            shift, log_scale = self.region_field(pixels, features)
            by_region = by_region * log_scale.exp() + shift
        final = by_region if self.detail is None else by_region + self.detail(pixels, features)
        return CorrectedMaps(by_region, final)

    def region_field(self, pixels: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """Shift and logarithm of the scale of the logit, each float32 (N,1,H,W), smooth between regions."""
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
                f"this refiner reads {', '.join(self.arrays)}, in this order, but was given {1 + inputs} of them:"
                " pass each, or train a refiner with other `inputs`"
            )
        if any(side % self.settings.multiple for side in base_logits.shape[-2:]):
            raise UserError(
                f"maps of {tuple(base_logits.shape[-2:])} pixels: this refiner takes sides that are multiples of"
                f" {self.settings.multiple}; resize or pad them, or lower detail_levels and region_size"
            )


class RegionBranch(nn.Sequential):
    """Averages of regions (N,C,g,g) -> two values a region (N,2,g,g), zero before training.

    Sees seven regions far, so that a region is judged beside its neighbours.
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
