"""Assigns cached maps to folds: whole groups together, video frames in consecutive stretches."""

from __future__ import annotations

import numpy as np
import pandas as pd

from prn_pipeline.data.splits.assignment import assign_folds
from prn_pipeline.errors import UserError

#: Seed of the random assignment, shared by runs of all seeds, so that they differ in weights and sample order only.
FOLD_SEED = 0


def assign_map_folds(unseen: pd.DataFrame, folds: int) -> np.ndarray:
    """Fold of each map, int64 (n,). Groups stay whole, folds have nearly equal size, and no fold is empty.

    Frames of a video are split into consecutive stretches: with random folds a network would train on the neighbours of
    every frame that it is evaluated on.

    Args:
        unseen: manifest rows of the maps to learn from: sample_id, group and, if known, video.
        folds: number of folds.

    Raises:
        UserError: there are fewer groups than folds.
    """
    groups = dict(zip(unseen["sample_id"], unseen["group"], strict=True))
    if len(set(groups.values())) < folds:
        raise UserError(
            f"{len(unseen)} maps of unseen images in {len(set(groups.values()))} groups cannot be split into"
            f" {folds} folds: use a larger val split or protocol crossfit, or lower `members` of the refiner"
        )
    if unseen.get("video", pd.Series([False])).any():
        stretches = np.array_split(list(dict.fromkeys(groups.values())), folds)
        of_group = {group: fold for fold, stretch in enumerate(stretches) for group in stretch}
        return unseen["group"].map(of_group).to_numpy(np.int64)
    fold_of = assign_folds(groups, folds, FOLD_SEED)
    return np.array([fold_of[sample_id] for sample_id in unseen["sample_id"]], np.int64)
