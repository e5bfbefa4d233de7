"""What an ensemble is trained on: true masks, and pseudo-labels for the region branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prn_pipeline.refinement.patch_refine_net.losses import overlap_loss
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.model import CorrectedMaps
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings


class EnsembleObjective:
    """Loss of all members of a `FoldEnsemble`, of a batch {"inputs", "pseudo_labels", "masks", "folds"} and readings.

    The final logits are taught by the true masks. Those corrected by region alone are taught by the pseudo-labels: the
    best that a threshold a patch can do, which is all that a region's shift and scale can.

    In training each member learns from the maps of all folds but its own. In validation each map is refined by the one
    member that has not learned from it, so that what is measured is what new maps can expect.
    """

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss (scalar, float32), the mean of members, and logits (N,1,H,W); in training these are the base logits."""
        assert isinstance(network, FoldEnsemble)
        maps = [batch["inputs"], *(batch[name] for name in network.arrays[1:])]
        labels, masks, folds = batch["pseudo_labels"], batch["masks"], batch["folds"]
        if not network.training:
            corrected = network.out_of_fold(folds, *maps)
            return _taught(corrected, labels, masks, network.settings), corrected.final
        losses = []
        dealt = folds.tolist()  # a GPU is waited for once, and not again for every stack that is picked from
        for fold in range(len(network.members)):
            learned = [row for row, of_fold in enumerate(dealt) if of_fold != fold]
            if len(learned) > 1:  # batch norm learns nothing from one map
                rows = torch.tensor(learned, device=folds.device)
                corrected = network.member(fold).branches(*(stack[rows] for stack in maps))
                losses.append(_taught(corrected, labels[rows], masks[rows], network.settings))
        if not losses:  # two maps that two members have left out: nobody learns from this batch
            return 0.0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum(), batch["inputs"]
        return torch.stack(losses).mean(), batch["inputs"]


def _taught(corrected: CorrectedMaps, labels: Tensor, masks: Tensor, settings: RegionDetailSettings) -> Tensor:
    loss = overlap_loss(corrected.final, masks)
    if settings.region_size and settings.pseudo_label_weight:
        loss = loss + settings.pseudo_label_weight * overlap_loss(corrected.by_region, labels)
    return loss
