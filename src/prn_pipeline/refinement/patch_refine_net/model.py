"""PatchRefineNet: one encoder of the base model's probability map, one decoder for whole maps and one for grid cells.

Paper section 3.2 and figure 3 (Nagendra, Shen, Kifer, WACV 2024).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.blocks import DecoderStep, PyramidPooling, R2Block
from prn_pipeline.refinement.patch_refine_net.grid_cells import (
    RELEASED_GRID,
    join_cells,
    split_into_cells,
    with_upstream_bug,
)

GRIDS = (0, 1, 2, 4, 8, 16)
SHRINKS = (1, 2, 4)
DOWNSAMPLING = 8
BASE_PROBABILITY_MARGIN = 1e-4
LARGEST_BASE_LOGIT = math.log(1 / BASE_PROBABILITY_MARGIN - 1)


class RefinedMaps(NamedTuple):
    """Logits of the two branches, each (N, 1, H, W); `local_logits` is None for a model without grid cells (grid=0)."""

    global_logits: Tensor
    local_logits: Tensor | None


def base_logits(maps: Tensor) -> Tensor:
    """Logits of the base model's probability map.

    Args:
        maps: (N, C, H, W), channel 0 the base probability in [0, 1].

    Returns:
        float32 (N, 1, H, W), at most logit(1 - 1e-4) = 9.2 in magnitude. float32 even under autocast, because bfloat16
        cannot resolve probabilities close to 1.
    """
    margin = BASE_PROBABILITY_MARGIN
    return torch.logit(maps[:, :1].float().clamp(margin, 1 - margin))


class Branch(nn.Module):
    """Three decoder steps and a convolution: features of four scales -> logits (N, out_channels, H, W)."""

    def __init__(self, widths: list[int], out_channels: int, head_kernel: int, shared_norm: bool) -> None:
        super().__init__()
        pairs = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.steps = nn.ModuleList(DecoderStep(coarse, fine, shared_norm) for coarse, fine in pairs)
        self.head = nn.Conv2d(widths[0], out_channels, kernel_size=head_kernel, padding=head_kernel // 2)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Features, finest first, of widths `widths` -> logits (N, 1, H, W) at the finest resolution."""
        x = features[-1]
        for step, skip in zip(self.steps, features[-2::-1], strict=True):
            x = step(x, skip)
        return self.head(x)


class PatchRefineNet(nn.Module):
    """Refines probability maps of a base segmentation model (paper section 3.2).

    Args:
        width: channels of the first stage; the next ones have 2, 4 and 8 times as many. The paper uses 32.
        grid: grid cells per side of the local branch (8 is the paper's P64); 0 omits the local branch (P0).
        in_channels: 1 for the probability map alone; further channels carry extra inputs, such as the image in [0, 1].
        residual: start as the base model: the heads start at zero, and the base logit is added to both outputs. The
            network then also reads that logit, which resolves probabilities near 0 and 1.
        shrink: work at 1 / shrink of the resolution, at 1 / shrink^2 of the cost, without losing pixels: each block of
            shrink x shrink pixels becomes channels of the input, and channels of the output become a block again.
        shared_norm: the recurrent passes share their batch norm, as in the paper; False gives better results in eval
            mode (see `blocks.RecurrentUnit`).
        head_kernel: size of the last convolution; None uses the size of the released models, 1 for grid=0, else 3.
        upstream_bug: reproduce the bug of the released P64 that mixes up one row of grid cells, which its published
            weights need (see `grid_cells.with_upstream_bug`); only with grid=8. Leave it off for a new training.

    Raises:
        UserError: a setting is outside these ranges.
    """

    def __init__(
        self,
        width: int = 32,
        grid: int = 8,
        in_channels: int = 1,
        residual: bool = False,
        *,
        shrink: int = 1,
        shared_norm: bool = True,
        head_kernel: int | None = None,
        upstream_bug: bool = False,
    ) -> None:
        super().__init__()
        head_kernel = (3 if grid else 1) if head_kernel is None else head_kernel
        _check_settings(width, grid, in_channels, shrink, head_kernel, upstream_bug)
        self.width, self.grid, self.in_channels = width, grid, in_channels
        self.residual, self.shrink, self.shared_norm = residual, shrink, shared_norm
        self.head_kernel, self.upstream_bug = head_kernel, upstream_bug
        widths = [width, 2 * width, 4 * width, 8 * width]
        channels = (in_channels + residual) * shrink**2
        self.encoder = nn.ModuleList(
            R2Block(before, after, shared_norm) for before, after in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.pyramid = PyramidPooling(widths[-1])
        self.global_branch = Branch(widths, shrink**2, head_kernel, shared_norm)
        self.local_branch = Branch(widths, shrink**2, head_kernel, shared_norm) if grid else None
        if residual:
            for branch in filter(None, (self.global_branch, self.local_branch)):
                nn.init.zeros_(branch.head.weight)
                nn.init.zeros_(branch.head.bias)  # type: ignore[arg-type]

    @property
    def settings(self) -> dict[str, int | bool]:
        """The constructor's arguments: `PatchRefineNet(**settings)` has the same architecture."""
        names = ("width", "grid", "in_channels", "residual", "shrink", "shared_norm", "head_kernel", "upstream_bug")
        return {name: getattr(self, name) for name in names}

    @property
    def multiple(self) -> int:
        """Heights and widths are padded to the next multiple of this number."""
        return DOWNSAMPLING * max(self.grid, 1) * self.shrink

    def _features(self, maps: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        x = maps
        for depth, stage in enumerate(self.encoder):
            x = stage(F.max_pool2d(x, 2) if depth else x)
            features.append(x)
        return [*features[:-1], self.pyramid(features[-1])]

    def _at_full_resolution(self, logits: Tensor) -> Tensor:
        return F.pixel_shuffle(logits, self.shrink) if self.shrink > 1 else logits  # a factor of 1 would copy

    def forward(self, maps: Tensor) -> RefinedMaps:
        """Refine a batch of maps.

        Args:
            maps: float (N, in_channels, H, W), channel 0 the base probability in [0, 1]. If `multiple` does not divide
                H or W, the last row and column are repeated as padding, and the padding is cropped from the output.

        Returns:
            Logits of both branches, float (N, 1, H, W).

        Raises:
            UserError: the maps have another rank or number of channels.
        """
        if maps.ndim != 4 or maps.shape[1] != self.in_channels:
            raise UserError(
                f"maps have shape {tuple(maps.shape)}, but this PatchRefineNet expects (N, {self.in_channels}, H, W); "
                f"stack exactly {self.in_channels} channel(s), the probability map first, or rebuild the model with "
                "another in_channels"
            )
        height, width = maps.shape[-2:]
        missing = (-height % self.multiple, -width % self.multiple)
        padded = F.pad(maps, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else maps
        stacked = torch.cat([padded, base_logits(padded) / LARGEST_BASE_LOGIT], 1) if self.residual else padded
        features = self._features(F.pixel_unshuffle(stacked, self.shrink) if self.shrink > 1 else stacked)
        global_logits = self._at_full_resolution(self.global_branch(features))[..., :height, :width]
        local_logits = None
        if self.local_branch is not None:
            cells = [split_into_cells(feature, self.grid) for feature in features]
            if self.upstream_bug:
                cells[1] = with_upstream_bug(cells[1])
            joined = join_cells(self.local_branch(cells), self.grid)
            local_logits = self._at_full_resolution(joined)[..., :height, :width]
        if self.residual:
            base = base_logits(maps)
            global_logits = global_logits + base
            local_logits = None if local_logits is None else local_logits + base
        return RefinedMaps(global_logits, local_logits)


def _check_settings(width: int, grid: int, in_channels: int, shrink: int, head_kernel: int, upstream_bug: bool) -> None:
    if grid not in GRIDS:
        raise UserError(f"grid={grid!r} is not one of {GRIDS}; 8 is the paper's P64, 0 omits the local branch")
    if width < 1 or in_channels < 1:
        raise UserError(f"width={width!r} and in_channels={in_channels!r} must be at least 1; the paper uses 32 and 1")
    if shrink not in SHRINKS:
        raise UserError(f"shrink={shrink!r} is not one of {SHRINKS}; the paper uses 1")
    if head_kernel not in (1, 3):
        raise UserError(f"head_kernel={head_kernel!r} is neither 1 nor 3; omit it to use that of the released models")
    if upstream_bug and grid != RELEASED_GRID:
        raise UserError(f"upstream_bug=True requires grid={RELEASED_GRID}, found grid={grid}; omit upstream_bug")
