"""The method: PatchRefineNet, its pseudo-labels, losses and fusion, and the rivals it has to beat.

Nagendra, Shen, Kifer, "PatchRefineNet: Improving Binary Segmentation by Incorporating Signals from Optimal Patch-wise
Binarization", WACV 2024.
"""

from prn_pipeline.refinement.baselines.binarization import rankseg_masks, threshold_masks
from prn_pipeline.refinement.baselines.decision_rules import (
    Decision,
    FixedThreshold,
    PatchOracle,
    RankSeg,
    apply_mask_to_logits,
)
from prn_pipeline.refinement.baselines.threshold_tuning import ThresholdTuner, tune_threshold
from prn_pipeline.refinement.patch_refine_net.folded import fold_for_inference
from prn_pipeline.refinement.patch_refine_net.fusion import FusionRule, fuse, fuse_logits
from prn_pipeline.refinement.patch_refine_net.losses import (
    DiceWeights,
    LossKind,
    prn_loss,
    region_loss,
    regularization_loss,
)
from prn_pipeline.refinement.patch_refine_net.model import PatchRefineNet, RefinedMaps
from prn_pipeline.refinement.patch_refine_net.released_checkpoints import load_published, to_published
from prn_pipeline.refinement.pseudo_labels.labels import PatchPseudoLabels, patch_pseudo_labels

__all__ = [
    "Decision",
    "DiceWeights",
    "FixedThreshold",
    "FusionRule",
    "LossKind",
    "PatchOracle",
    "PatchPseudoLabels",
    "PatchRefineNet",
    "RankSeg",
    "RefinedMaps",
    "ThresholdTuner",
    "apply_mask_to_logits",
    "fold_for_inference",
    "fuse",
    "fuse_logits",
    "load_published",
    "patch_pseudo_labels",
    "prn_loss",
    "rankseg_masks",
    "region_loss",
    "regularization_loss",
    "threshold_masks",
    "to_published",
    "tune_threshold",
]
