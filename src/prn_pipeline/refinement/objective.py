"""What refiners are trained on: pseudo-labels and true masks (paper section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prn_pipeline.refinement.fold_ensemble import FoldEnsemble
from prn_pipeline.refinement.fusion import fuse_logits
from prn_pipeline.refinement.losses import DiceWeights, dice_loss, prn_loss
from prn_pipeline.refinement.refiner import Refiner


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


class EnsembleObjective:
    """Loss of all members of a `FoldEnsemble`, of a batch {"inputs", "pseudo_labels", "masks", "folds"} and readings.

    In training each member learns from the maps of all folds but its own. In validation each map is refined by the one
    member that has not learned from it, so that what is measured is what new maps can expect.
    """

    def __call__(self, network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Loss (scalar, float32) and logits (N,1,H,W), in training those of the first member that learned."""
        assert isinstance(network, FoldEnsemble)
        maps = [batch["inputs"], *(batch[name] for name in network.arrays[1:])]
        labels, masks = batch["pseudo_labels"], batch["masks"]
        weight = network.settings.pseudo_label_weight
        terms = DiceWeights(mask_bce=1 - weight, mask_dice=1.0, pseudo_label_bce=weight)
        if not network.training:
            refined = network.out_of_fold(batch["folds"], *maps)
            return dice_loss(refined, labels, masks, terms), refined
        losses = []
        for fold, member in enumerate(network.members):
            rows = batch["folds"] != fold
            if rows.sum() > 1:  # batch norm learns nothing from one map
                refined = member(*(stack[rows] for stack in maps))
                losses.append(dice_loss(refined, labels[rows], masks[rows], terms))
        return torch.stack(losses).sum(), batch["inputs"]
