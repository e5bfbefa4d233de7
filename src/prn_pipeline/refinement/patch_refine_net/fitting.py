"""Fitting of the paper's network on out-of-sample maps; one fold selects the best epoch (paper section 4.1)."""

from __future__ import annotations

import numpy as np

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.patch_refine_net.objective import PatchRefineNetObjective
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.training_arrays import training_arrays
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples

#: The fold that selects the best epoch; the network learns from the others.
MONITOR_FOLD = 0
#: Number of folds that val is split into if all of it, or none of it, is in the monitor fold.
SPLIT_FOLDS = 5


def fit_network(maps: LearningMaps, settings: PatchRefineNetSettings, plan: FittingPlan) -> TrainingResult:
    """Train one network.

    Raises:
        UserError: too few maps for learning and for selecting an epoch.
    """
    samples, training = maps.samples, plan.training
    rows = learning_rows(maps.map_manifest)
    monitor = monitor_rows(maps, rows)
    arrays = training_arrays(settings)
    return fit(
        lambda: PaperRefiner(settings),
        PatchRefineNetObjective(settings),
        StoredSamples(samples, rows[~monitor], arrays, training.augmentation, memory=training.memory_bytes),
        StoredSamples(samples, rows[monitor], arrays, memory=training.memory_bytes),
        training,
        plan.seed,
        checkpoint_folder(plan.checkpoints, samples, "prn", plan.seed, settings, training),
        "prn",
        plan.listener,
    )


def monitor_rows(maps: LearningMaps, rows: np.ndarray) -> np.ndarray:
    """Which of the rows select the best epoch, bool (n,).

    They are one fold of the data set. Folds are assigned over train and val together, so a small val can be entirely
    inside or outside of that fold; its rows are then split again.

    Raises:
        UserError: all rows are in one group, or no pixel of the selected rows is labelled.
    """
    monitor = np.asarray(maps.map_manifest["fold"].to_numpy()[rows] == MONITOR_FOLD)
    unseen = maps.samples.manifest.iloc[rows]
    if monitor.all() or not monitor.any():
        if (groups := unseen["group"].nunique()) < 2:
            raise UserError(
                f"{len(rows)} maps of unseen images in {groups} group: PRN needs some to learn from and others to"
                " select its best epoch. Use a larger val split, or protocol crossfit"
            )
        monitor = assign_map_folds(unseen, min(SPLIT_FOLDS, groups)) == MONITOR_FOLD
    if not (maps.samples.array("masks", rows[monitor]) != IGNORE).any():
        raise UserError(
            f"every pixel of {', '.join(unseen['sample_id'][monitor])} is ignored, but these images select the best"
            " epoch: remove them from the data set, or use a larger val split"
        )
    return monitor
