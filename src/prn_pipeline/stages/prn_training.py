"""Training of PRN on cached maps."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from prn_pipeline.data.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.objective import RefinerObjective
from prn_pipeline.refinement.refiner import Refiner
from prn_pipeline.refinement.settings import RefinerSettings
from prn_pipeline.stages.logit_caching import learning_rows
from prn_pipeline.training.callbacks import EpochListener
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.loop import Trained, fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "logits", "pseudo_labels": "labels", "masks": "masks"}

#: The fold that chooses PRN's best epoch; the others are learned from.
MONITOR_FOLD = 0


def train_refiner(
    samples: Samples,
    map_manifest: pd.DataFrame,
    refiner: RefinerSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None = None,
) -> Trained:
    """Train PRN on the out-of-sample maps of train + val; one fold of them chooses the best epoch.

    Args:
        samples: with arrays logits, labels (pseudo-labels) and masks, and what else the refiner reads.
        map_manifest: of the logit cache.
        refiner: network, loss, fusion.
        settings: of the training.
        seed: see `fit`.
        checkpoints: root of checkpoint folders.
        listener: told of every epoch.

    Raises:
        UserError: too few maps to learn from and to choose by.
    """
    rows = learning_rows(map_manifest)
    monitor = map_manifest["fold"].to_numpy()[rows] == MONITOR_FOLD
    if monitor.all() or not monitor.any():
        raise UserError(
            f"{len(rows)} maps of unseen images lie all in fold {MONITOR_FOLD} or all outside it: PRN needs some to"
            " learn from and some to choose its best epoch by; use a larger val split, or protocol crossfit"
        )
    arrays = ARRAYS | {name: name for name in refiner.arrays[1:]}
    return fit(
        lambda: Refiner(refiner),
        RefinerObjective(),
        StoredSamples(samples, rows[~monitor], arrays, settings.augmentation),
        StoredSamples(samples, rows[monitor], arrays),
        settings,
        seed,
        checkpoint_folder(checkpoints, samples, "prn", seed, refiner, settings),
        "prn",
        listener,
    )
