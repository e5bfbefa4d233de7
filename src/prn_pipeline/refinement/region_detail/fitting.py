"""Fitting of an ensemble: train its members, then select the correction on the maps that they left out."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.data.store.array_store import shards
from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.data.store.map_manifest import learning_rows, seen_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.class_correction_strength import ClassCorrectionTuner
from prn_pipeline.refinement.region_detail.correction_strength import MIN_GAIN, CorrectionTuner, RefinedBatch
from prn_pipeline.refinement.region_detail.ensemble import EVERY_MEMBER, FoldEnsemble
from prn_pipeline.refinement.region_detail.objective import EnsembleObjective
from prn_pipeline.refinement.region_detail.other_scales import with_scales_where_they_gain
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.refinement.region_detail.stored_inputs import with_stored_inputs
from prn_pipeline.refinement.training_arrays import training_arrays
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.inference import predict
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.tiling import Tiles

logger = logging.getLogger(__name__)

#: Pixels per batch of the guard, at some 30 bytes each.
GUARD_BATCH_PIXELS = 2**22


def fit_ensemble(maps: LearningMaps, settings: RegionDetailSettings, plan: FittingPlan) -> TrainingResult:
    """Train an ensemble whose members each leave out one fold, and select its correction on these folds.

    With `seen_maps`, all members also learn from maps of images that the base model was trained on, and none is
    evaluated on them. Such maps are better than maps of new images, so the unseen maps are repeated until they are
    drawn about as often.

    Raises:
        UserError: fewer groups of unseen images than members, or features of several base models.
    """
    samples, training = maps.samples, plan.training
    rows = learning_rows(maps.map_manifest)
    settings = with_stored_inputs(maps, with_scales_where_they_gain(maps, settings, rows))
    folds = assign_map_folds(samples.manifest.iloc[rows], settings.members)
    # The cache has no maps at other scales of images that the base model has learned from.
    seen = seen_rows(maps.map_manifest) if settings.seen_maps and "tta_scales" not in settings.inputs else rows[:0]
    repeats = max(1, round(len(seen) / len(rows)))
    arrays = training_arrays(settings)
    result = fit(
        lambda: FoldEnsemble(settings),
        EnsembleObjective(settings),
        StoredSamples(
            samples,
            np.concatenate([np.tile(rows, repeats), seen]),
            arrays,
            training.augmentation,
            np.concatenate([np.tile(folds, repeats), np.full(len(seen), EVERY_MEMBER)]),
            training.memory_bytes,
        ),
        StoredSamples(samples, rows, arrays, folds=folds, memory=training.memory_bytes),
        training,
        plan.seed,
        checkpoint_folder(plan.checkpoints, samples, "prn", plan.seed, settings, training),
        "prn",
        plan.listener,
    )
    assert isinstance(result.network, FoldEnsemble)
    select_correction(result.network, samples, rows, folds, training.batch_size, plan.tiles)
    return result


def select_correction(
    ensemble: FoldEnsemble,
    samples: Samples,
    rows: np.ndarray,
    folds: np.ndarray,
    batch_size: int,
    tiles: Tiles,
    guard: type[CorrectionTuner] = CorrectionTuner,
) -> None:
    """Select the ensemble's correction: each member refines the maps of the fold that it left out.

    Args:
        ensemble: trained ensemble; this function calls its `select`.
        samples: samples with the ensemble's arrays and masks.
        rows: rows of unseen maps, int64 (n,).
        folds: fold of each row, int64 (n,).
        batch_size: maps per forward pass.
        tiles: tiles that larger maps are cut into.
        guard: how to select for foreground; with several classes it is always `ClassCorrectionTuner`.
    """
    maps_per_image = samples.maps_per_image
    tuner = guard(len(ensemble.members)) if maps_per_image == 1 else ClassCorrectionTuner(maps_per_image)
    for fold, member in enumerate(ensemble.members):
        for shard in shards(rows[folds == fold], maps_per_image):
            corrected = predict(member, samples, shard, ensemble.arrays, batch_size, tiles)
            refined = _rounded_as_stored(maps.final for maps in corrected)
            maps = [channels_first(torch.from_numpy(samples.array(name, shard))) for name in ensemble.arrays]
            masks = torch.from_numpy(samples.array("masks", shard))
            groups = samples.manifest["group"].to_numpy()[shard]
            held_out = RefinedBatch(maps[0], ensemble.start(*maps), refined, masks, fold, groups)
            maps_per_batch = maps_per_image * max(1, GUARD_BATCH_PIXELS // (maps_per_image * masks[0].numel()))
            for first in range(0, len(shard), maps_per_batch):
                tuner.update(held_out.rows(slice(first, first + maps_per_batch)))
    selection = tuner.best()
    ensemble.select(selection)
    chosen = selection.correction
    logger.info(
        "guard: correction strength %.2f, shift %+.3f%s; out-of-fold iou_micro: base model %.4f, best without training"
        " %.4f, selected %.4f",
        chosen.strength,
        chosen.shift,
        ", RankSEG" if chosen.rankseg else "",
        selection.base_iou,
        selection.free_iou,
        selection.refined_iou,
    )
    if chosen.changes_nothing:
        logger.warning("the guard keeps the base model unchanged: this refiner gains nothing on held-out maps")
    elif not chosen.strength:
        logger.warning(
            "the guard applies no correction: on held-out maps this refiner gains less than %.3f over a method that"
            " needs no training, which it applies instead",
            MIN_GAIN,
        )


def _rounded_as_stored(batches: Iterator[Tensor]) -> Tensor:
    """Logits (N,1,H,W), rounded as the evaluation stage stores them."""
    return torch.from_numpy(np.concatenate([stored_logits(logits[:, 0]) for logits in batches])).unsqueeze(1)
