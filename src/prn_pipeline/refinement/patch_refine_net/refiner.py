"""A refiner as the rest of the project uses it: base logits in, refined logits out."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.folded import fold_for_inference
from prn_pipeline.refinement.patch_refine_net.fusion import fuse_logits
from prn_pipeline.refinement.patch_refine_net.model import PatchRefineNet, RefinedMaps
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings


class Refiner(nn.Module):
    """PatchRefineNet between two maps of logits.

    The network itself reads probabilities (paper section 3.2); maps are stored as logits because float16 holds those
    near 0 and near 1 apart. What it reads besides is named by `arrays`, in the order of the arguments of `forward`.
    """

    def __init__(self, settings: PatchRefineNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = PatchRefineNet(
            width=settings.width,
            grid=settings.grid,
            in_channels=1 + settings.image_channels * settings.image,
            residual=settings.residual,
            shrink=settings.shrink,
            shared_norm=settings.shared_norm,
        )

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays to give to `forward`, in order: ("logits",) or ("logits", "images")."""
        return self.settings.arrays

    @property
    def guard(self) -> None:
        """Nothing: the network always corrects."""

    def for_inference(self, dtype: torch.dtype) -> Refiner:
        """A copy that gives the same maps sooner, computed in `dtype`; it cannot be trained or saved."""
        faster = copy.deepcopy(self).eval()
        faster.network = fold_for_inference(self.network, dtype)
        return faster

    def branches(self, base_logits: Tensor, images: Tensor | None = None) -> RefinedMaps:
        """Logits of both branches.

        Args:
            base_logits: float (N,1,H,W).
            images: RGB (N,3,H,W), uint8 or float, values 0 .. 255; only for a refiner with `image: true`.

        Returns:
            Logits, each (N,1,H,W).

        Raises:
            UserError: images are missing, or given to a refiner that does not read them.
        """
        if (images is not None) != self.settings.image:
            found, remedy = ("no images", "pass them too") if images is None else ("images", "leave them out")
            raise UserError(
                f"a refiner with image: {str(self.settings.image).lower()} was given {found}; it reads"
                f" {' and '.join(self.arrays)}: {remedy}, or train one with the other setting"
            )
        maps = base_logits.float().sigmoid()
        return self.network(maps if images is None else torch.cat([maps, pixel_values(images) / 255], dim=1))

    def forward(self, base_logits: Tensor, images: Tensor | None = None) -> Tensor:
        """Base logits (N,1,H,W), and images as in `branches` -> refined logits (N,1,H,W), foreground above 0."""
        return fuse_logits(self.branches(base_logits, images), self.settings.fusion)
