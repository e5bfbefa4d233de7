"""Which model makes which map, so that PRN learns from maps of images that the model has not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from torch import nn

from prn_pipeline.data.array_store import shards
from prn_pipeline.data.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.training.inference import predict_logits


def assign_models(manifest: pd.DataFrame, protocol: str, fold_models: Mapping[str, nn.Module]) -> pd.DataFrame:
    """The manifest of the maps.

    Args:
        manifest: of the samples.
        protocol: `holdout` (paper section 4.1): the base model makes every map, and train's are marked as seen;
            `crossfit`: every map of train + val comes from the model of its fold, which has not seen it.
        fold_models: one a fold, named fold-0, fold-1, ...

    Returns:
        sample_id, split, fold, model, seen_in_training; a row a sample, in order.

    Raises:
        UserError: crossfit without a model for each fold.
    """
    maps = manifest[["sample_id", "split", "fold"]].copy()
    if protocol == "holdout":
        return maps.assign(model="base", seen_in_training=maps["split"] == "train")
    maps["model"] = np.where(maps["split"] == "test", "base", "fold-" + maps["fold"].astype(str))
    missing = sorted(set(maps["model"]) - set(fold_models) - {"base"})
    if missing:
        raise UserError(
            f"protocol crossfit needs models {', '.join(missing)}: run base_training again with this protocol"
        )
    return maps.assign(seen_in_training=False)


def learning_rows(map_manifest: pd.DataFrame) -> np.ndarray:
    """Rows whose maps look like those of new images: out of sample, and not test. int64, ascending."""
    usable = ~map_manifest["seen_in_training"] & (map_manifest["split"] != "test")
    return np.flatnonzero(usable.to_numpy())


def cached_logits(
    samples: Samples, map_manifest: pd.DataFrame, models: Mapping[str, nn.Module], batch_size: int
) -> Iterator[np.ndarray]:
    """Maps of all samples in order, float16 (B,S,S); each row by the model that `map_manifest` names."""
    names = map_manifest["model"].to_numpy()
    for rows in shards(np.arange(len(names))):
        maps: np.ndarray | None = None
        for name in sorted(set(names[rows])):
            chosen = np.flatnonzero(names[rows] == name)
            made = np.concatenate(list(predict_logits(models[name], samples, rows[chosen], ["images"], batch_size)))
            maps = np.empty((len(rows), *made.shape[1:]), made.dtype) if maps is None else maps
            maps[chosen] = made
        assert maps is not None
        yield maps
