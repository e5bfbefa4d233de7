"""What the paper's network is trained on: pseudo-labels and true masks (paper section 3.3)."""

from __future__ import annotations

from torch import Tensor, nn

from prn_pipeline.refinement.patch_refine_net.fusion import fuse_logits
from prn_pipeline.refinement.patch_refine_net.losses import prn_loss
from prn_pipeline.refinement.patch_refine_net.refiner import Refiner


class RefinerObjective:
    """Loss of both branches, and the fused logits, of a batch {"inputs": base logits, "pseudo_labels", "masks"}.

    Whatever else the refiner reads is in the batch under its own name, e.g. "images".
    """

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss (scalar, float32) and fused logits (N,1,H,W)."""
        assert isinstance(network, Refiner)
        refined = network.branches(batch["inputs"], **{name: batch[name] for name in network.arrays[1:]})
        labels, masks = batch["pseudo_labels"].unsqueeze(1), batch["masks"].unsqueeze(1)
        return prn_loss(refined, labels, masks, network.settings.loss), fuse_logits(
            refined, network.settings.fusion
        ).float()
