"""The method: pseudo-labels, PatchRefineNet, the region-detail refiner, and the baselines they are compared with.

Nagendra, Shen, Kifer, "PatchRefineNet: Improving Binary Segmentation by Incorporating Signals from Optimal Patch-wise
Binarization", WACV 2024.

Names are imported on first use, so that using one module does not load the dependencies of the others.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: Module below this package -> the names that it exports.
_NAMES = {
    "baselines.binarization": ("rankseg_masks", "threshold_masks"),
    "baselines.decision_rules": ("Decision", "FixedThreshold", "PatchOracle", "RankSeg", "apply_mask_to_logits"),
    "baselines.threshold_tuning": ("ThresholdTuner", "tune_threshold"),
    "patch_refine_net.folded": ("fold_for_inference",),
    "patch_refine_net.fusion": ("FusionRule", "fuse", "fuse_logits"),
    "patch_refine_net.losses": ("DiceWeights", "LossKind", "prn_loss", "region_loss", "regularization_loss"),
    "patch_refine_net.model": ("PatchRefineNet", "RefinedMaps"),
    "patch_refine_net.released_checkpoints": ("load_published", "to_published"),
    "pseudo_labels.labels": ("PatchPseudoLabels", "patch_pseudo_labels"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}

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


def __getattr__(name: str) -> Any:
    """One of `__all__`."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
