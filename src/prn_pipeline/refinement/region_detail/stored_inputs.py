"""What the stored inputs of a refiner say about its settings: numbers of channels and models, and scales."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.protocol import LearningMaps
from prn_pipeline.refinement.region_detail.other_scales import SCALES, stored_scales

AnySettings = TypeVar("AnySettings", bound=BaseModel)


def with_stored_inputs(maps: LearningMaps, settings: AnySettings) -> AnySettings:
    """A refiner's settings, completed by what the logit cache holds.

    Args:
        maps: maps with the inputs of the refiner.
        settings: settings with a field `inputs`. Of these, `features` sets `feature_channels`, `several_maps` sets
            `several_maps_channels`, and `tta_scales` sets the field of that name.

    Raises:
        UserError: features of several base models, or a cache that does not say at which scales its maps are.
    """
    inputs: tuple[str, ...] = getattr(settings, "inputs", ())
    found: dict[str, Any] = {}
    if "features" in inputs:
        found["feature_channels"] = _feature_channels(maps)
    if "several_maps" in inputs:
        found["several_maps_channels"] = maps.samples.store_of("several_maps").shape("several_maps")[1]
    if SCALES in inputs:
        found[SCALES] = stored_scales(maps.samples)
    return settings.model_copy(update=found)


def _feature_channels(maps: LearningMaps) -> int:
    if (models := maps.map_manifest["model"].nunique()) > 1:
        raise UserError(
            f"the maps are from {models} models, whose features have nothing in common: use"
            " logit_caching.protocol=holdout, or remove features from the refiner's `inputs`"
        )
    return int(maps.samples.store_of("features").shape("features")[1])
