"""A trained PatchRefineNet for fast inference: batch norms folded into convolutions, additions and ReLU in place."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from prn_pipeline.refinement.patch_refine_net.blocks import (
    RECURRENCES,
    AttentionGate,
    R2Block,
    RecurrentUnit,
    UpConv,
    doubling_kernel,
    projected,
)
from prn_pipeline.refinement.patch_refine_net.fused_relu import relu_of
from prn_pipeline.refinement.patch_refine_net.model import Branch, PatchRefineNet


class FoldedUnit(nn.Module):
    """`RecurrentUnit` with one convolution per pass, or one for all passes if they share their batch norm."""

    def __init__(self, unit: RecurrentUnit) -> None:
        super().__init__()
        norms = [norm for norm in unit.norms if isinstance(norm, nn.BatchNorm2d)]
        self.convs = nn.ModuleList(fuse_conv_bn_eval(unit.conv, norm) for norm in norms)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> the same shape."""
        y = self._pass(0, x)
        for recurrence in range(1, RECURRENCES + 1):
            y = self._pass(recurrence, y.add_(x))
        return y

    def _pass(self, recurrence: int, x: Tensor) -> Tensor:
        return relu_of(cast(nn.Conv2d, self.convs[recurrence % len(self.convs)]), x)


class FoldedBlock(nn.Module):
    """`R2Block` of folded units."""

    def __init__(self, block: R2Block) -> None:
        super().__init__()
        self.project = block.project
        self.units = nn.Sequential(*(FoldedUnit(unit) for unit in block.units if isinstance(unit, RecurrentUnit)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        start = projected(self.project, x)
        return self.units(start).add_(start)


class FoldedGate(nn.Module):
    """`AttentionGate` of three convolutions."""

    def __init__(self, gate: AttentionGate) -> None:
        super().__init__()
        self.decoded = fuse_conv_bn_eval(*gate.decoded)
        self.skip = fuse_conv_bn_eval(*gate.skip)
        self.score = fuse_conv_bn_eval(*gate.score)

    def forward(self, decoded: Tensor, skip: Tensor) -> Tensor:
        """Decoded features and skip, both (N, channels, H, W) -> the weighted skip."""
        agreement = self.decoded(decoded).add_(self.skip(skip)).relu_()
        return skip * self.score(agreement).sigmoid_()


class FoldedUpConv(nn.Module):
    """`UpConv` as one transposed convolution with a precomputed kernel."""

    def __init__(self, up: UpConv) -> None:
        super().__init__()
        conv = fuse_conv_bn_eval(up.conv, up.norm)
        self.conv = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, kernel_size=4, stride=2, padding=1)
        self.conv.weight = nn.Parameter(doubling_kernel(conv.weight).detach().clone())
        self.conv.bias = conv.bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, 2H, 2W)."""
        return self.conv(x).relu_()


class Cast(nn.Module):
    """Converts a tensor to another dtype."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """The same values in `dtype`."""
        return x.to(self.dtype)


def fold_for_inference(network: PatchRefineNet, dtype: torch.dtype = torch.bfloat16) -> PatchRefineNet:
    """A faster copy of a trained network for inference only.

    Args:
        network: trained network, which stays unchanged. The copy uses its running statistics in both of its modes.
        dtype: dtype of weights and features. On hardware without bfloat16 multiplication, use float32.

    Returns:
        A network in eval mode and channels_last with the same `forward` (float maps in, float32 logits out; the
        residual base logits never leave float32). Its state dict has other names, so save the original network.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    _fold_children(folded)
    folded.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    folded.encoder[0] = nn.Sequential(Cast(dtype), folded.encoder[0])
    for branch in (folded.global_branch, folded.local_branch):
        if isinstance(branch, Branch):
            branch.head = nn.Sequential(branch.head, Cast(torch.float32))  # type: ignore[assignment]
    return folded.eval().requires_grad_(False)


def _fold_children(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, R2Block):
            setattr(module, name, FoldedBlock(child))
        elif isinstance(child, AttentionGate):
            setattr(module, name, FoldedGate(child))
        elif isinstance(child, UpConv):
            setattr(module, name, FoldedUpConv(child))
        else:
            _fold_children(child)
