"""Which fold each cached map is in: whole groups together, video frames in stretches."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prn_pipeline.data.splits.assignment import assign_folds
from prn_pipeline.errors import UserError

#: Of the random assignment; one for all seeds of a run, so that these differ by weights and order of samples only.
FOLD_SEED = 0


def assign_map_folds(unseen: pd.DataFrame, folds: int) -> np.ndarray:
    """Fold of each map, int64 (n,): whole groups, folds of nearly equal size, none empty.

    Frames of a video are split into stretches. In random folds every frame's neighbours would be learned from, and a
    network that has memorised them would be evaluated on what it has seen.

    Args:
        unseen: manifest rows of maps that are learned from: sample_id, group and, where it is known, video.
        folds: how many.

    Raises:
        UserError: fewer groups than folds.
    """
    groups = dict(zip(unseen["sample_id"], unseen["group"], strict=True))
    if len(set(groups.values())) < folds:
        raise UserError(
            f"{len(unseen)} maps of unseen images in {len(set(groups.values()))} groups cannot be split into"
            f" {folds} folds; use a larger val split or protocol crossfit, or lower `members` of the refiner"
        )
    if unseen.get("video", pd.Series([False])).any():
        stretches = np.array_split(list(dict.fromkeys(groups.values())), folds)
        of_group = {group: fold for fold, stretch in enumerate(stretches) for group in stretch}
        return unseen["group"].map(of_group).to_numpy(np.int64)
    fold_of = assign_folds(groups, folds, FOLD_SEED)
    return np.array([fold_of[sample_id] for sample_id in unseen["sample_id"]], np.int64)
