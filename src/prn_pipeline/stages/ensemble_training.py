"""Training of an ensemble of small refiners, and the judgement how far to trust it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from prn_pipeline.data.splits.assignment import assign_folds
from prn_pipeline.data.store.array_store import shards
from prn_pipeline.data.store.map_manifest import learning_rows, seen_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.class_correction_strength import ClassCorrectionTuner
from prn_pipeline.refinement.region_detail.correction_strength import CorrectionTuner
from prn_pipeline.refinement.region_detail.ensemble import EVERY_MEMBER, FoldEnsemble
from prn_pipeline.refinement.region_detail.objective import EnsembleObjective
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.training.callbacks import EpochListener
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.inference import WHOLE_OR_TILES, predict_logits
from prn_pipeline.training.loop import Trained, fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles

logger = logging.getLogger(__name__)

#: What a training sample of any refiner holds: key -> name of the stored array.
ARRAYS = {"inputs": "logits", "pseudo_labels": "labels", "masks": "masks"}

#: Pixels that the guard counts at once, at some 30 bytes each.
COUNTED_PIXELS = 2**22

#: Of the draw that deals maps out to members: one for all seeds, so that these differ by nothing but weights and order.
FOLD_SEED = 0


def train_ensemble(
    samples: Samples,
    map_manifest: pd.DataFrame,
    refiner: RegionDetailSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None,
    tiles: Tiles = WHOLE_OR_TILES,
) -> Trained:
    """Every member leaves out one fold; what they say of it chooses the best epoch and how far to trust them.

    Maps of images that the base model was trained on are learned from by all members and judged by none. They are too
    good, so the others are drawn as often as they are, however few.
    """
    rows = learning_rows(map_manifest)
    folds = assign_to_members(samples.manifest.iloc[rows], refiner.members)
    if "features" in refiner.inputs:
        if (models := map_manifest["model"].nunique()) > 1:
            raise UserError(
                f"the maps are of {models} models, whose features have nothing in common: refine with features under"
                " logit_caching.protocol holdout, or leave features out of the refiner's `inputs`"
            )
        # How many there are is the base model's choice.
        channels = samples.store_of("features").shape("features")[1]
        refiner = refiner.model_copy(update={"feature_channels": channels})
    seen = seen_rows(map_manifest) if refiner.seen_maps else rows[:0]
    repeats = max(1, round(len(seen) / len(rows)))
    arrays = ARRAYS | {name: name for name in refiner.arrays[1:]}
    trained = fit(
        lambda: FoldEnsemble(refiner),
        EnsembleObjective(),
        StoredSamples(
            samples,
            np.concatenate([np.tile(rows, repeats), seen]),
            arrays,
            settings.augmentation,
            np.concatenate([np.tile(folds, repeats), np.full(len(seen), EVERY_MEMBER)]),
            settings.memory_bytes,
        ),
        StoredSamples(samples, rows, arrays, folds=folds, memory=settings.memory_bytes),
        settings,
        seed,
        checkpoint_folder(checkpoints, samples, "prn", seed, refiner, settings),
        "prn",
        listener,
    )
    assert isinstance(trained.network, FoldEnsemble)
    judge(trained.network, samples, rows, folds, settings.batch_size, tiles)
    return trained


def assign_to_members(unseen: pd.DataFrame, members: int) -> np.ndarray:
    """Which part each map belongs to, int64 (n,): whole groups, parts of nearly equal size, none empty.

    Of frames of a video each part is one stretch: drawn at random, every frame's neighbours would be learned from, and
    a member that knows them by heart would be judged by what it has seen.
    """
    groups = dict(zip(unseen["sample_id"], unseen["group"], strict=True))
    if len(set(groups.values())) < members:
        raise UserError(
            f"{len(unseen)} maps of unseen images in {len(set(groups.values()))} groups cannot be dealt out to"
            f" {members} members; use a larger val split or protocol crossfit, or lower `members` of the refiner"
        )
    if unseen.get("video", pd.Series([False])).any():
        stretches = np.array_split(list(dict.fromkeys(groups.values())), members)
        of_group = {group: part for part, stretch in enumerate(stretches) for group in stretch}
        return unseen["group"].map(of_group).to_numpy(np.int64)
    part_of = assign_folds(groups, members, FOLD_SEED)
    return np.array([part_of[sample_id] for sample_id in unseen["sample_id"]], np.int64)


def judge(
    ensemble: FoldEnsemble, samples: Samples, rows: np.ndarray, folds: np.ndarray, batch_size: int, tiles: Tiles
) -> None:
    """Each member on the maps that it has left out: how far can all of them be trusted?"""
    together = samples.maps_per_image
    tuner = CorrectionTuner(len(ensemble.members)) if together == 1 else ClassCorrectionTuner(together)
    for fold, member in enumerate(ensemble.members):
        for part in shards(rows[folds == fold], together):
            refined = np.concatenate(list(predict_logits(member, samples, part, ensemble.arrays, batch_size, tiles)))
            maps = [channels_first(torch.from_numpy(samples.array(name, part))) for name in ensemble.arrays]
            masks = torch.from_numpy(samples.array("masks", part))
            start, refined_maps = ensemble.start(*maps), torch.from_numpy(refined).unsqueeze(1)
            at_once = together * max(1, COUNTED_PIXELS // (together * masks[0].numel()))
            for first in range(0, len(part), at_once):
                some = slice(first, first + at_once)
                tuner.update(maps[0][some], start[some], refined_maps[some], masks[some], fold)
    judgement = tuner.best()
    ensemble.accept(judgement)
    logger.info(
        "out of fold: iou_micro %.4f of the base model, %.4f refined, with %s",
        judgement.base_iou,
        judgement.refined_iou,
        judgement.trust,
    )
    if judgement.trust.changes_nothing:
        logger.warning("this refiner gains nothing on maps it has not learned from: the base model stays as it is")
