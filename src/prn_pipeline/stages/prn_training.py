"""Training of a refiner of any kind on cached maps."""

from __future__ import annotations

from pkgutil import resolve_name

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.protocol import Fit, FittingPlan, LearningMaps, RefinerSettings
from prn_pipeline.refinement.region_detail.other_scales import SCALES, no_usable_scales
from prn_pipeline.refinement.registry import kind_of
from prn_pipeline.training.job import TrainingResult


def train_refiner(maps: LearningMaps, settings: RefinerSettings, plan: FittingPlan) -> TrainingResult:
    """Fit a refiner to the maps that it may learn from.

    Args:
        maps: cached maps with masks, pseudo-labels and the other inputs of the refiner.
        settings: settings of the refiner.
        plan: training settings, seed, checkpoints.

    Raises:
        UserError: too few maps for learning and for selection, or the cache lacks an array that the refiner reads.
    """
    missing = [name for name in settings.arrays if not maps.samples.holds(name)]
    if no_usable_scales(maps.samples):
        missing = [name for name in missing if name != SCALES]
    if SCALES in missing:
        raise UserError(
            f"the refiner reads {SCALES}, but the logit cache has no maps at other scales of the image: list scales in"
            f" logit_caching.{SCALES}, and tta in logit_caching.keep, and run that pipeline again, or use a refiner"
            " that does without, such as trees"
        )
    if missing:
        raise UserError(
            f"the refiner reads {', '.join(settings.arrays)}, but {', '.join(missing)} were not kept: add them to"
            " logit_caching.keep and run that pipeline again, or use a refiner that needs maps only, such as prn_maps"
        )
    fit: Fit = resolve_name(kind_of(settings).fitting)
    return fit(maps, settings, plan)
