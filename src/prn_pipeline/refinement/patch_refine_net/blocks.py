"""The building blocks of PatchRefineNet: recurrent residual units, attention gates and pyramid pooling.

Every block takes and returns float tensors (N, C, H, W) and works at any height and width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RECURRENCES = 2
PYRAMID_BINS = (1, 2, 4, 8)


class RecurrentUnit(nn.Module):
    """One 3x3 convolution applied again to its own output: y = f(x), then twice y = f(x + y).

    The three passes share weights (paper section 3.2, "R2" units). In the paper they also share one batch norm, whose
    running statistics then mix three distributions and match none of them: eval mode is worse than training mode.
    With `shared_norm=False` every pass has its own batch norm.
    """

    def __init__(self, channels: int, shared_norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(1 if shared_norm else RECURRENCES + 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        y = F.relu(self.norms[0](self.conv(x)))
        for recurrence in range(1, RECURRENCES + 1):
            y = F.relu(self.norms[recurrence % len(self.norms)](self.conv(x + y)))
        return y


def projected(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """The 1x1 convolution of features (N, C, H, W), in the channels-last layout even for C = 1.

    A tensor of one channel does not show its layout. PyTorch takes it for channels-first, computes such a convolution
    slowly, and returns a layout in which every later layer is slow too.
    """
    if conv.in_channels > 1:
        return conv(x)
    return F.linear(x.permute(0, 2, 3, 1), conv.weight.flatten(1), conv.bias).permute(0, 3, 1, 2)


class R2Block(nn.Module):
    """1x1 convolution to `out_channels`, then two recurrent units with a skip around both."""

    def __init__(self, in_channels: int, out_channels: int, shared_norm: bool = True) -> None:
        super().__init__()
        self.project = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.units = nn.Sequential(*(RecurrentUnit(out_channels, shared_norm) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        start = projected(self.project, x)
        return start + self.units(start)


class AttentionGate(nn.Module):
    """Additive attention: scales every pixel of a skip connection by how well it agrees with the decoded features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // 2)
        self.decoded = nn.Sequential(nn.Conv2d(channels, hidden, kernel_size=1), nn.BatchNorm2d(hidden))
        self.skip = nn.Sequential(nn.Conv2d(channels, hidden, kernel_size=1), nn.BatchNorm2d(hidden))
        self.score = nn.Sequential(nn.Conv2d(hidden, 1, kernel_size=1), nn.BatchNorm2d(1))

    def forward(self, decoded: Tensor, skip: Tensor) -> Tensor:
        """Decoded features and skip, both (N, channels, H, W) -> the weighted skip."""
        weight = torch.sigmoid(self.score(F.relu(self.decoded(decoded) + self.skip(skip))))
        return skip * weight


def doubling_kernel(weight: Tensor) -> Tensor:
    """The kernel that doubles the resolution and convolves in one step.

    `conv_transpose2d(x, doubling_kernel(weight), bias, stride=2, padding=1)` equals nearest-neighbour doubling followed
    by `conv2d(., weight, bias, padding=1)`: it is the flipped kernel convolved with the 2x2 box that repeats a pixel.
    It needs 16 multiplications per pixel of the small map instead of 36, and no enlarged copy.

    Args:
        weight: float (out_channels, in_channels, 3, 3).

    Returns:
        (in_channels, out_channels, 4, 4), summed in the dtype of `weight`.
    """
    k = F.pad(weight, (1, 1, 1, 1)).flip(2, 3)
    return (k[..., :-1, :-1] + k[..., 1:, :-1] + k[..., :-1, 1:] + k[..., 1:, 1:]).transpose(0, 1)


class UpConv(nn.Module):
    """Nearest-neighbour doubling followed by a 3x3 convolution, batch norm and ReLU.

    `conv` holds the 3x3 weights, as the released checkpoints do; `doubling_kernel` turns the two steps into one
    transposed convolution.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, 2H, 2W)."""
        # The kernel is summed in the float32 of the weights; autocast then rounds it only once.
        kernel = doubling_kernel(self.conv.weight)
        return F.relu(self.norm(F.conv_transpose2d(x, kernel, self.conv.bias, stride=2, padding=1)))


class DecoderStep(nn.Module):
    """Doubles the resolution, gates the skip with the result, and merges the two with an R2 block."""

    def __init__(self, in_channels: int, out_channels: int, shared_norm: bool = True) -> None:
        super().__init__()
        self.up = UpConv(in_channels, out_channels)
        self.gate = AttentionGate(out_channels)
        self.block = R2Block(2 * out_channels, out_channels, shared_norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Features (N, in_channels, H, W) and skip (N, out_channels, 2H, 2W) -> (N, out_channels, 2H, 2W)."""
        decoded = self.up(x)
        return self.block(torch.cat([self.gate(decoded, skip), decoded], dim=1))


class PyramidPooling(nn.Module):
    """Adds averages over 1, 4, 16 and 64 regions to the features, so that every pixel sees the whole map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(channels, channels, kernel_size=1, bias=False) for _ in PYRAMID_BINS)
        self.bottleneck = nn.Conv2d(channels * (len(PYRAMID_BINS) + 1), channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        size = x.shape[-2:]
        pooled = [
            F.interpolate(projection(F.adaptive_avg_pool2d(x, bins)), size=size, mode="bilinear", align_corners=False)
            for bins, projection in zip(PYRAMID_BINS, self.projections, strict=True)
        ]
        return F.relu(self.bottleneck(torch.cat([*pooled, x], dim=1)))
