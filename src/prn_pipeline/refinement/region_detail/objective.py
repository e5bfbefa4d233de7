"""The training objective of an ensemble: true masks, and pseudo-labels for the region branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prn_pipeline.refinement.patch_refine_net.losses import overlap_loss
from prn_pipeline.refinement.region_detail.ensemble import MemberMaps
from prn_pipeline.refinement.region_detail.model import CorrectedMaps
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings


class EnsembleObjective:
    """Loss of all members of a `FoldEnsemble` on a batch {"inputs", "pseudo_labels", "masks", "folds", ...}.

    The loss of the final logits uses true masks. The loss of the logits after the region branch uses pseudo-labels:
    they are the best result of one threshold per patch, which is all that a shift and a scale per region can reach.

    In training each member learns from the maps of all folds but its own. In validation each map is refined by the one
    member that has not learned from it, so that the validation score holds for new maps.

    Args:
        settings: settings of the ensemble.
    """

    def __init__(self, settings: RegionDetailSettings) -> None:
        self._settings = settings

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss (scalar, float32; the mean over members), and logits (N,1,H,W): refined, or in training the base's."""
        maps = [batch["inputs"], *(batch[name] for name in self._settings.arrays[1:])]
        labels, masks = batch["pseudo_labels"], batch["masks"]
        folds = batch["folds"].tolist()  # synchronises with the GPU once, instead of once per member
        by_member: list[MemberMaps] = network(*maps, folds=folds)
        if not network.training:
            corrected = _in_order(by_member)
            return self._loss(corrected, labels, masks), corrected.final
        losses = [self._loss(member.corrected, labels[member.rows], masks[member.rows]) for member in by_member]
        if not losses:  # no member may learn from two or more of these maps
            return 0.0 * torch.stack([parameter.sum() for parameter in network.parameters()]).sum(), batch["inputs"]
        return torch.stack(losses).mean(), batch["inputs"]

    def _loss(self, corrected: CorrectedMaps, labels: Tensor, masks: Tensor) -> Tensor:
        loss = overlap_loss(corrected.final, masks)
        if self._settings.region_size and self._settings.pseudo_label_weight:
            loss = loss + self._settings.pseudo_label_weight * overlap_loss(corrected.by_region, labels)
        return loss


def _in_order(by_member: list[MemberMaps]) -> CorrectedMaps:
    """All maps of a batch in order, each from the one member that refined it."""
    order = torch.cat([member.rows for member in by_member]).argsort()
    stacked = (torch.cat(maps)[order] for maps in zip(*(member.corrected for member in by_member), strict=True))
    return CorrectedMaps(*(maps.float() for maps in stacked))
