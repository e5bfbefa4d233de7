"""The detail branch: a U-Net at half resolution that predicts a correction of the logit of each pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prn_pipeline.refinement.region_detail.inputs import resized_to

#: Half the resolution at a quarter of the cost, without losing pixels: 2 x 2 pixels become 4 channels.
SHRINK = 2


class DetailBranch(nn.Module):
    """Pixels and features -> a correction of the logit, zero before training.

    Args:
        pixel_channels: channels of the inputs at full resolution.
        feature_channels: channels of the base model's features, at any resolution; 0 for no features.
        width: channels of the first level; each next level has twice as many, at half the resolution.
        levels: levels of the U-Net.
    """

    def __init__(self, pixel_channels: int, feature_channels: int, width: int, levels: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        self.mix = nn.Conv2d(feature_channels, width, kernel_size=1) if feature_channels else None
        before = [pixel_channels * SHRINK**2 + width * (self.mix is not None), *widths[:-1]]
        self.down = nn.ModuleList(two_convolutions(a, b) for a, b in zip(before, widths, strict=True))
        self.up = nn.ModuleList(
            two_convolutions(fine + coarse, fine) for fine, coarse in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.head = start_at_zero(nn.Conv2d(width, SHRINK**2, kernel_size=1))

    def forward(self, pixels: Tensor, features: Tensor | None = None) -> Tensor:
        """Pixels (N,C,H,W) and features (N,F,h,w) -> correction of the logit, float32 (N,1,H,W)."""
        x = F.pixel_unshuffle(pixels, SHRINK)
        if self.mix is not None and features is not None:
            x = torch.cat([x, resized_to(self.mix(features), (x.shape[-2], x.shape[-1]))], dim=1)
        skips: list[Tensor] = []
        for down in self.down:
            x = down(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = up(torch.cat([F.interpolate(x, scale_factor=2, mode="nearest"), skip], dim=1))
        return F.pixel_shuffle(self.head(x).float(), SHRINK)


def two_convolutions(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def start_at_zero(head: nn.Conv2d) -> nn.Conv2d:
    """The same convolution with weights of zero, so that a correction starts at zero."""
    nn.init.zeros_(head.weight)
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return head
