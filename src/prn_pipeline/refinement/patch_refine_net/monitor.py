"""The maps that select the best epoch of the paper's network; it learns from the others."""

from __future__ import annotations

import numpy as np

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import LearningMaps

#: The fold that selects the best epoch; the network learns from the others.
MONITOR_FOLD = 0
#: Number of folds that val is split into if all of it, or none of it, is in the monitor fold.
SPLIT_FOLDS = 5


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
