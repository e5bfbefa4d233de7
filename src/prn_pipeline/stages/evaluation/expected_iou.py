"""The expected IoU of a mask, fitted to maps that the refiner has not learned from; test images play no part."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from prn_pipeline.data.store.array_store import shards
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.map_quality.fitting import Fitted, fit_expected_iou
from prn_pipeline.metrics.map_quality.statistics import quality_statistics, true_iou
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import HeldOut, LearningMaps, Refiner
from prn_pipeline.stages.evaluation.map_descriptions import take
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles

logger = logging.getLogger(__name__)

#: Folds over which the error of the estimate is measured.
FOLDS = 10
NOTHING_HELD_OUT = "this refiner has learned from every map, so none is left to fit it to"


def fit_to_held_out(maps: LearningMaps, refiner: Refiner, batch_size: int, tiles: Tiles) -> Fitted:
    """Fit the expected IoU of a refiner's masks to the maps that it held out.

    Args:
        maps: the maps that the refiner was fitted on, with masks.
        refiner: trained refiner.
        batch_size: maps per forward pass.
        tiles: tiles that larger maps are cut into.
    """
    samples, found = maps.samples, list(refiner.held_out(maps))
    rows = np.concatenate([held_out.rows for held_out in found]) if found else np.empty(0, np.int64)
    if not rows.size:
        return Fitted(None, NOTHING_HELD_OUT)
    measured = [_measured(samples, held_out, refiner, batch_size, tiles) for held_out in found if held_out.rows.size]
    statistics, ious = (np.concatenate(arrays) for arrays in zip(*measured, strict=True))
    images = samples.manifest.iloc[rows[:: samples.maps_per_image]].reset_index(drop=True)
    labelled = np.isfinite(ious)
    images, order = images[labelled], np.argsort(rows[:: samples.maps_per_image][labelled])
    if not len(images):
        return Fitted(None, "no pixel of the held-out images is labelled")
    images = images.iloc[order]  # frames of a video are assigned in their order
    units = int(images["group"].nunique())
    folds = assign_map_folds(images, min(FOLDS, units))
    fitted = fit_expected_iou(statistics[labelled][order], ious[labelled][order], folds, units)
    if fitted.estimate is None:
        logger.info("no expected IoU of single masks: %s", fitted.reason)
    return fitted


def as_json(fitted: Fitted) -> dict[str, Any]:
    """The JSON of a run: `estimate` (null: none) and `reason`."""
    estimate = fitted.estimate
    return {"estimate": None if estimate is None else estimate.model_dump(mode="json"), "reason": fitted.reason}


def _measured(
    samples: Samples, held_out: HeldOut, refiner: Refiner, batch_size: int, tiles: Tiles
) -> tuple[np.ndarray, np.ndarray]:
    """`quality_statistics` and true IoU of the images of some rows."""
    by_image = samples.maps_per_image
    batches = predict_logits(held_out.network, samples, held_out.rows, refiner.arrays, batch_size, tiles)
    statistics, ious = [], []
    for shard in shards(held_out.rows, by_image):
        after = np.concatenate(list(take(batches, len(shard))))
        before = after if refiner.replaces_base_model else samples.array("logits", shard)
        masks = samples.array("masks", shard)
        for alike, region in samples.regions(shard):
            parts = [maps[alike] if region is None else region.of(maps[alike]) for maps in (before, after, masks)]
            old, new, truth = (part.reshape(-1, by_image, *part.shape[1:]) for part in parts)
            statistics.append(quality_statistics(old, new))
            ious.append(true_iou(new, truth))
    return np.concatenate(statistics), np.concatenate(ious)
