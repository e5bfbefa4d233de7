"""The training objective of the paper's network: pseudo-labels and true masks (paper section 3.3)."""

from __future__ import annotations

from torch import Tensor, nn

from prn_pipeline.refinement.patch_refine_net.fusion import fuse_logits
from prn_pipeline.refinement.patch_refine_net.losses import prn_loss
from prn_pipeline.refinement.patch_refine_net.model import RefinedMaps
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings


class PatchRefineNetObjective:
    """Loss of both branches, and fused logits, on a batch {"inputs": base logits, "pseudo_labels", "masks", ...}.

    Args:
        settings: settings of the refiner; the batch holds its other inputs under their own names, such as "images".
    """

    def __init__(self, settings: PatchRefineNetSettings) -> None:
        self._settings = settings

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss (scalar, float32) and fused logits (N,1,H,W)."""
        inputs = [batch[name] for name in self._settings.arrays[1:]]
        refined: RefinedMaps = network(batch["inputs"], *inputs, branches=True)
        labels, masks = batch["pseudo_labels"].unsqueeze(1), batch["masks"].unsqueeze(1)
        fused = fuse_logits(refined, self._settings.fusion).float()
        return prn_loss(refined, labels, masks, self._settings.loss), fused
