"""PatchRefineNet as its description reads: every cell decoded by a call of its own, upsampling then convolution.

The plain version that ours is timed against and compared with. It holds no weights: it applies those of a
`PatchRefineNet`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prn_pipeline.refinement import PatchRefineNet, RefinedMaps


class LoopedNetwork(nn.Module):
    """The same function as `network` in eval mode, cell by cell.

    In training mode it differs, as any loop does: batch norm sees one cell at a time and not all of them.
    """

    def __init__(self, network: PatchRefineNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor) -> RefinedMaps:
        """Probability maps (N,1,H,W), sides divisible by 8 * grid -> logits of both branches, each (N,1,H,W)."""
        features: list[Tensor] = []
        x = maps
        for depth, stage in enumerate(self.network.encoder):
            x = stage(F.max_pool2d(x, 2) if depth else x)
            features.append(x)
        features[-1] = self.network.pyramid(features[-1])
        return RefinedMaps(_decode(self.network.global_branch, features), self._local(features))

    def _local(self, features: list[Tensor]) -> Tensor:
        grid = self.network.grid
        rows = [
            torch.cat([_decode(self.network.local_branch, _cell(features, r, c, grid)) for c in range(grid)], dim=-1)
            for r in range(grid)
        ]
        return torch.cat(rows, dim=-2)


def _cell(features: list[Tensor], row: int, column: int, grid: int) -> list[Tensor]:
    def cut(x: Tensor) -> Tensor:
        h, w = x.shape[-2] // grid, x.shape[-1] // grid
        return x[..., row * h : (row + 1) * h, column * w : (column + 1) * w]

    return [cut(x) for x in features]


def _decode(branch: Any, features: list[Tensor]) -> Tensor:
    x = features[-1]
    for step, skip in zip(branch.steps, features[-2::-1], strict=True):
        decoded = F.relu(step.up.norm(step.up.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))))
        x = step.block(torch.cat([step.gate(decoded, skip), decoded], dim=1))
    return branch.head(x)
