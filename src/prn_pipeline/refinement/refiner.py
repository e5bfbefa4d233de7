"""A refiner as the rest of the project uses it: base logits in, refined logits out."""

from __future__ import annotations

from torch import Tensor, nn

from prn_pipeline.refinement.fusion import fuse_logits
from prn_pipeline.refinement.model import PatchRefineNet, RefinedMaps
from prn_pipeline.refinement.settings import RefinerSettings


class Refiner(nn.Module):
    """PatchRefineNet between two maps of logits.

    The network itself reads probabilities (paper section 3.2); maps are stored as logits because float16 holds those
    near 0 and near 1 apart.
    """

    def __init__(self, settings: RefinerSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = PatchRefineNet(
            width=settings.width,
            grid=settings.grid,
            residual=settings.residual,
            shrink=settings.shrink,
            shared_norm=settings.shared_norm,
        )

    def branches(self, base_logits: Tensor) -> RefinedMaps:
        """Base logits (N,1,H,W) -> logits of both branches, each (N,1,H,W)."""
        return self.network(base_logits.float().sigmoid())

    def forward(self, base_logits: Tensor) -> Tensor:
        """Base logits (N,1,H,W) -> refined logits (N,1,H,W); foreground where they are above 0."""
        return fuse_logits(self.branches(base_logits), self.settings.fusion)
