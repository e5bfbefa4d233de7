"""Whether maps at other scales of the image are worth their passes of the base model."""

from __future__ import annotations

import logging
from typing import TypeVar

import numpy as np
import torch
from pydantic import BaseModel

from prn_pipeline.data.store.array_store import shards
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.baselines.threshold_tuning import ThresholdTuner
from prn_pipeline.refinement.protocol import LearningMaps
from prn_pipeline.refinement.region_detail.correction_strength import MIN_GAIN
from prn_pipeline.refinement.region_detail.inputs import starting_logits
from prn_pipeline.training.channels import channels_first

logger = logging.getLogger(__name__)

AnySettings = TypeVar("AnySettings", bound=BaseModel)
SCALES = "tta_scales"


def with_scales_where_they_gain(maps: LearningMaps, settings: AnySettings, rows: np.ndarray) -> AnySettings:
    """A refiner's settings, without `tta_scales` among its inputs unless it is there and the better start.

    Objects as thin as vessels are lost in smaller images. So the mean over scales has to gain `MIN_GAIN` over what the
    correction would start from otherwise, each under one threshold that is tuned on the same maps.

    Args:
        maps: maps with masks and the inputs of the refiner.
        settings: settings with fields `inputs` and `arrays`.
        rows: rows of maps that the base model has not learned from, int64 (n,).
    """
    inputs: tuple[str, ...] = getattr(settings, "inputs", ())
    if SCALES not in inputs:
        return settings
    if no_usable_scales(maps.samples):
        logger.warning("there are no maps at other scales of the image, so the correction starts without them")
        return _without_scales(settings)
    others = [name for name in inputs if name in ("tta", "several_maps")]
    samples, tuners = maps.samples, {True: ThresholdTuner(), False: ThresholdTuner()}
    for shard in shards(rows, samples.maps_per_image):
        stored = {
            name: channels_first(torch.from_numpy(samples.array(name, shard))) for name in ("logits", SCALES, *others)
        }
        base, masks = stored.pop("logits"), samples.array("masks", shard)
        for with_scales, tuner in tuners.items():
            starts = {name: array for name, array in stored.items() if with_scales or name != SCALES}
            tuner.update(starting_logits(base, starts)[:, 0].sigmoid(), masks)
    gain = tuners[True].best_iou() - tuners[False].best_iou()
    chosen = settings if gain >= MIN_GAIN else _without_scales(settings)
    logger.info(
        "TTA over flips and scales gains %+.4f iou_micro over the start without scales: the correction starts %s them",
        gain,
        "without" if chosen is not settings else "with",
    )
    return chosen


def no_usable_scales(samples: Samples) -> bool:
    """Whether other scales were asked for, and none of them gave the base model an image that it supports."""
    return samples.store_of("logits").attributes.get(SCALES) == []


def stored_scales(samples: Samples) -> tuple[float, ...]:
    """The other scales of the image at which the logit cache has maps.

    Raises:
        UserError: it does not say.
    """
    store = samples.store_of(SCALES)
    if SCALES not in store.attributes:
        raise UserError(
            f"{store.path} has maps at other scales of the images, but was written by an earlier version, which did not"
            " say at which: run the pipeline logit_caching again"
        )
    return tuple(store.attributes[SCALES])


def _without_scales(settings: AnySettings) -> AnySettings:
    inputs: tuple[str, ...] = getattr(settings, "inputs", ())
    return settings.model_copy(update={"inputs": tuple(name for name in inputs if name != SCALES)})
