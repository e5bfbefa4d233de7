"""The paper's network as a refiner: base logits in, refined logits out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from prn_pipeline.data.pixel_values import pixel_values
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.folded import fold_for_inference
from prn_pipeline.refinement.patch_refine_net.fusion import fuse_logits
from prn_pipeline.refinement.patch_refine_net.model import PatchRefineNet
from prn_pipeline.refinement.patch_refine_net.monitor import monitor_rows
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import HeldOut, LearningMaps, Refiner


class PaperRefiner(Refiner):
    """PatchRefineNet with logits as input and output.

    The network reads probabilities (paper section 3.2), but maps are stored as logits, because float16 logits resolve
    probabilities near 0 and 1.
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

    def for_inference(self, dtype: torch.dtype) -> PaperRefiner:
        """A faster copy that computes in `dtype`; it cannot be trained or saved."""
        faster = copy.deepcopy(self).eval()
        faster.network = fold_for_inference(self.network, dtype)
        return faster

    def held_out(self, maps: LearningMaps) -> Iterator[HeldOut]:
        """The maps that selected the best epoch; no weight was fitted to them."""
        rows = learning_rows(maps.map_manifest)
        yield HeldOut(rows[monitor_rows(maps, rows)], self)

    def forward(self, base_logits: Tensor, *inputs: Tensor, branches: bool = False) -> Any:
        """Refined logits.

        Args:
            base_logits: float (N,1,H,W).
            inputs: with `image: true` the images (N,C,H,W), uint8 or float, values 0 .. 255; otherwise none.
            branches: return the logits of both branches, which training needs, instead of their fusion.

        Returns:
            Logits (N,1,H,W), foreground above 0; with `branches` a `RefinedMaps`.

        Raises:
            UserError: images are missing, or given to a refiner that does not read them.
        """
        if len(inputs) != self.settings.image:
            found, remedy = ("images", "omit them") if inputs else ("no images", "pass them too")
            raise UserError(
                f"a refiner with image: {str(self.settings.image).lower()} was given {found}; it reads"
                f" {' and '.join(self.arrays)}: {remedy}, or train one with the other setting"
            )
        maps = base_logits.float().sigmoid()
        refined = self.network(torch.cat([maps, *(pixel_values(images) / 255 for images in inputs)], dim=1))
        return refined if branches else fuse_logits(refined, self.settings.fusion)
