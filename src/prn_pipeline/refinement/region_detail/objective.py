"""What an ensemble is trained on: true masks, and pseudo-labels for the region branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prn_pipeline.refinement.patch_refine_net.losses import overlap_loss
from prn_pipeline.refinement.region_detail.ensemble import MemberMaps
from prn_pipeline.refinement.region_detail.model import CorrectedMaps
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings


class EnsembleObjective:
    """Loss of all members of a `FoldEnsemble` on a batch {"inputs", "pseudo_labels", "masks", "folds", ...}.

    True masks teach the final logits. Pseudo-labels teach the logits that are corrected by region alone: they are the
    best that one threshold per patch can do, which is all that a region's shift and scale can do.

    In training each member learns from the maps of all folds but its own. In validation each map is refined by the one
    member that has not learned from it, so that the measure holds for new maps.

    Args:
        settings: of the ensemble.
    """

    def __init__(self, settings: RegionDetailSettings) -> None:
        self._settings = settings

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss (scalar, float32), the mean over members, and logits (N,1,H,W), in training those of the base model."""
        maps = [batch["inputs"], *(batch[name] for name in self._settings.arrays[1:])]
        labels, masks = batch["pseudo_labels"], batch["masks"]
        folds = batch["folds"].tolist()  # waits for a GPU once, and not for every stack of maps
        by_member: list[MemberMaps] = network(*maps, folds=folds)
        if not network.training:
            corrected = _in_order(by_member)
            return self._loss(corrected, labels, masks), corrected.final
        losses = [self._loss(member.corrected, labels[member.rows], masks[member.rows]) for member in by_member]
        if not losses:  # two maps that two members leave out: nothing can be learned from this batch
            return 0.0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum(), batch["inputs"]
        return torch.stack(losses).mean(), batch["inputs"]

    def _loss(self, corrected: CorrectedMaps, labels: Tensor, masks: Tensor) -> Tensor:
        loss = overlap_loss(corrected.final, masks)
        if self._settings.region_size and self._settings.pseudo_label_weight:
            loss = loss + self._settings.pseudo_label_weight * overlap_loss(corrected.by_region, labels)
        return loss


def _in_order(by_member: list[MemberMaps]) -> CorrectedMaps:
    """All maps of a batch, each from the one member that has it."""
    order = torch.cat([member.rows for member in by_member]).argsort()
    stacked = (torch.cat(parts)[order] for parts in zip(*(member.corrected for member in by_member), strict=True))
    return CorrectedMaps(*(maps.float() for maps in stacked))
