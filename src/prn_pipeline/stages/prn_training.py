"""Training of refiners on cached maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.patch_refine_net.objective import RefinerObjective
from prn_pipeline.refinement.patch_refine_net.refiner import Refiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings
from prn_pipeline.refinement.settings import RefinerSettings
from prn_pipeline.stages.ensemble_training import ARRAYS, assign_to_members, train_ensemble
from prn_pipeline.training.callbacks import EpochListener
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.inference import WHOLE_OR_TILES
from prn_pipeline.training.loop import Trained, fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles

#: The fold that chooses the best epoch of the paper's network; the others are learned from.
MONITOR_FOLD = 0
#: Parts that a val split is dealt out to where none of it, or all of it, lies in that fold.
FEWEST_FOLDS = 5


def train_refiner(
    samples: Samples,
    map_manifest: pd.DataFrame,
    refiner: RefinerSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None = None,
    tiles: Tiles = WHOLE_OR_TILES,
) -> Trained:
    """Train a refiner on the maps of train and val.

    Args:
        samples: with arrays logits, labels (pseudo-labels) and masks, and what else the refiner reads.
        map_manifest: of the logit cache.
        refiner: which network, and what it is taught.
        settings: of the training.
        seed: see `fit`.
        checkpoints: root of checkpoint folders.
        listener: told of every epoch.
        tiles: that maps larger than one are cut into where the refiner is judged.

    Raises:
        UserError: too few maps to learn from and to choose by, or the cache lacks what the refiner reads.
    """
    _check_inputs(samples, refiner)
    if isinstance(refiner, PatchRefineNetSettings):
        return _train_network(samples, map_manifest, refiner, settings, seed, checkpoints, listener)
    return train_ensemble(samples, map_manifest, refiner, settings, seed, checkpoints, listener, tiles)


def _train_network(
    samples: Samples,
    map_manifest: pd.DataFrame,
    refiner: PatchRefineNetSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None,
) -> Trained:
    """The paper's protocol: one network, out-of-sample maps only; one fold of them chooses the best epoch."""
    rows = learning_rows(map_manifest)
    monitor = monitors(samples, map_manifest, rows)
    arrays = ARRAYS | {name: name for name in refiner.arrays[1:]}
    return fit(
        lambda: Refiner(refiner),
        RefinerObjective(),
        StoredSamples(samples, rows[~monitor], arrays, settings.augmentation, memory=settings.memory_bytes),
        StoredSamples(samples, rows[monitor], arrays, memory=settings.memory_bytes),
        settings,
        seed,
        checkpoint_folder(checkpoints, samples, "prn", seed, refiner, settings),
        "prn",
        listener,
    )


def monitors(samples: Samples, map_manifest: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Which of the rows choose the best epoch, bool (n,): a fold of all samples, or of these where it holds none."""
    monitor = np.asarray(map_manifest["fold"].to_numpy()[rows] == MONITOR_FOLD)
    unseen = samples.manifest.iloc[rows]
    if monitor.all() or not monitor.any():  # folds were dealt over train and val; a small val may lie in one of them
        if (groups := unseen["group"].nunique()) < 2:
            raise UserError(
                f"{len(rows)} maps of unseen images in {groups} group: PRN needs some to learn from and some to choose"
                " its best epoch by; use a larger val split, or protocol crossfit"
            )
        monitor = assign_to_members(unseen, min(FEWEST_FOLDS, groups)) == MONITOR_FOLD
    if not (samples.array("masks", rows[monitor]) != IGNORE).any():
        raise UserError(
            f"no pixel counts in {', '.join(unseen['sample_id'][monitor])}, which the best epoch would be chosen by:"
            " take these images out, or use a larger val split"
        )
    return monitor


def _check_inputs(samples: Samples, refiner: RefinerSettings) -> None:
    if missing := [name for name in refiner.arrays if not samples.holds(name)]:
        raise UserError(
            f"the refiner reads {', '.join(refiner.arrays)}, but {', '.join(missing)} were not kept: add them to"
            " logit_caching.keep and run that pipeline again, or take a refiner that needs maps only, such as prn_maps"
        )
