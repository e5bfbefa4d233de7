"""Fitting of trees: one set of trees per fold of the maps, then the guard selects on what each has not seen."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import torch

from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.region_detail.fitting import select_correction
from prn_pipeline.refinement.region_detail.other_scales import with_scales_where_they_gain
from prn_pipeline.refinement.region_detail.stored_inputs import with_stored_inputs
from prn_pipeline.refinement.trees.boosting import Boosted, boost
from prn_pipeline.refinement.trees.calibrated_guard import CalibratedTuner
from prn_pipeline.refinement.trees.ensemble import TreeEnsemble, Trees
from prn_pipeline.refinement.trees.sampling import draw_pixels
from prn_pipeline.refinement.trees.settings import TreesSettings
from prn_pipeline.training.job import TrainingResult

logger = logging.getLogger(__name__)

#: Seeds of the members of one run are so far from those of the next seed's.
SEEDS_PER_RUN = 1000


def fit_trees(maps: LearningMaps, settings: TreesSettings, plan: FittingPlan) -> TrainingResult:
    """Fit an ensemble of trees, each member on all folds but one, and select its correction on these folds.

    Maps of images that the base model was trained on are not used: they are better than maps of new images. Of
    `plan.training` only the batch size of the guard is used.

    Raises:
        UserError: fewer than two groups of unseen images.
    """
    samples, start = maps.samples, time.perf_counter()
    rows = learning_rows(maps.map_manifest)
    manifest = samples.manifest.iloc[rows]
    members = max(2, min(settings.members, manifest["group"].nunique()))
    settings = with_scales_where_they_gain(maps, settings.model_copy(update={"members": members}), rows)
    settings = with_stored_inputs(maps, settings)
    folds = assign_map_folds(manifest, members)
    pixels, position = draw_pixels(samples, rows, settings, SEEDS_PER_RUN * plan.seed)
    ensemble = TreeEnsemble(settings)
    # Boosting runs outside Python's lock, and no member knows of another: threads change the time and nothing else.
    with ThreadPoolExecutor(min(members, torch.get_num_threads())) as threads:
        learned = [folds[position] != fold for fold in range(members)]
        seeds = [SEEDS_PER_RUN * plan.seed + 1 + fold for fold in range(members)]
        fitted = list(threads.map(boost, [pixels] * members, learned, [settings] * members, seeds))
    for member, boosted in zip(ensemble.members, fitted, strict=True):
        assert isinstance(member, Trees)
        member.set(boosted)
    history = _history(fitted, time.perf_counter() - start)
    if plan.listener is not None:
        for row in history.to_dict("records"):
            plan.listener(int(row.pop("epoch")), row)
    ensemble.eval()
    select_correction(ensemble, samples, rows, folds, plan.training.batch_size, plan.tiles, CalibratedTuner)
    return TrainingResult(ensemble, history)


def _history(fitted: list[Boosted], seconds: float) -> pd.DataFrame:
    """Mean losses over members after each tree."""
    losses = np.mean([boosted.losses for boosted in fitted], axis=0)
    count = len(losses)
    return pd.DataFrame(
        {
            "epoch": range(1, count + 1),
            "train_loss": losses[:, 0],
            "val_loss": losses[:, 1],
            "seconds": seconds / count,
        }
    )
