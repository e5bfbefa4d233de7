"""Assigns a network to each map, so that a refiner can learn from maps of images that the network has not seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from torch import nn

from prn_pipeline.errors import UserError


def assign_models(
    manifest: pd.DataFrame,
    protocol: str,
    fold_models: Mapping[str, nn.Module],
    seen: Collection[str] = ("train",),
) -> pd.DataFrame:
    """The manifest of the maps.

    Args:
        manifest: one row per map (`class_maps.map_samples`).
        protocol: `holdout` (paper section 4.1): the base model makes all maps, and `seen_in_training` marks those of
            `seen`. `crossfit`: the model of a fold, which has not seen the fold, makes its maps of train + val.
        fold_models: one per fold, named fold-0, fold-1, ...
        seen: splits that the base model has learned from.

    Returns:
        sample_id, split, fold, model, seen_in_training; one row per map, in order.

    Raises:
        UserError: protocol crossfit, and a fold has no model.
    """
    maps = manifest[["sample_id", "split", "fold"]].copy()
    if protocol == "holdout":
        return maps.assign(model="base", seen_in_training=maps["split"].isin(list(seen)))
    maps["model"] = np.where(maps["split"] == "test", "base", "fold-" + maps["fold"].astype(str))
    missing = sorted(set(maps["model"]) - set(fold_models) - {"base"})
    if missing:
        raise UserError(
            f"protocol crossfit needs models {', '.join(missing)}: run base_training again with this protocol"
        )
    return maps.assign(seen_in_training=False)
