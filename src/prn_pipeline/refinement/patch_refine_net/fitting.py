"""Fitting of the paper's network on out-of-sample maps; one fold selects the best epoch (paper section 4.1)."""

from __future__ import annotations

from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.refinement.patch_refine_net.monitor import monitor_rows
from prn_pipeline.refinement.patch_refine_net.objective import PatchRefineNetObjective
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps
from prn_pipeline.refinement.training_arrays import training_arrays
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples


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
