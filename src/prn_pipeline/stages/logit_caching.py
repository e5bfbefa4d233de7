"""Which model makes which map, so that PRN learns from maps of images that the model has not seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from torch import nn

from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation import RunnableModel
from prn_pipeline.segmentation.maps import BaseMaps, MapMaker
from prn_pipeline.training.inference import WHOLE_OR_TILES, predict
from prn_pipeline.training.tiling import Tiles


def assign_models(
    manifest: pd.DataFrame,
    protocol: str,
    fold_models: Mapping[str, nn.Module],
    seen: Collection[str] = ("train",),
) -> pd.DataFrame:
    """The manifest of the maps.

    Args:
        manifest: of the maps, a row a map (`class_maps.map_samples`).
        protocol: `holdout` (paper section 4.1): the base model makes every map, and those of `seen` are marked;
            `crossfit`: every map of train + val comes from the model of its fold, which has not seen it.
        fold_models: one a fold, named fold-0, fold-1, ...
        seen: splits that the base model has learned from.

    Returns:
        sample_id, split, fold, model, seen_in_training; a row a map, in order.

    Raises:
        UserError: crossfit without a model for each fold.
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


def cached_maps(
    samples: Samples,
    map_manifest: pd.DataFrame,
    models: Mapping[str, RunnableModel],
    batch_size: int,
    keep: Collection[str],
    tiles: Tiles = WHOLE_OR_TILES,
    wanted: np.ndarray | None = None,
) -> Iterator[Batch]:
    """Maps of samples in order; each row by the model that `map_manifest` names.

    Args:
        samples: with what the models take, a row a sample.
        map_manifest: see `assign_models`; with several classes so many rows a sample.
        models: by name.
        batch_size: samples a forward pass.
        tiles: that samples larger than one are cut into.
        keep: what is kept beside the logits: "tta", "features".
        wanted: rows of `map_manifest`, all maps of an image or none, int (n,); None: all.

    Yields:
        For B maps: logits float16 (B,S,S); tta float16 (B,2,S,S), mean and spread of the logits over flips of the
        image; features float16 (B,C,h,w), h <= S / 2. See `segmentation.maps.BaseMaps`.
    """
    classes = len(map_manifest) // len(samples.manifest)
    names = map_manifest["model"].to_numpy()[::classes]
    arrays = next(iter(models.values())).arrays
    makers = {name: MapMaker(model, "tta" in keep, "features" in keep) for name, model in models.items()}
    for maps_of in shards(np.arange(len(map_manifest)) if wanted is None else wanted, classes):
        rows = maps_of[::classes] // classes
        maps: Batch = {}
        for name in sorted(set(names[rows])):
            chosen = np.flatnonzero(names[rows] == name)
            made = [_stored(part) for part in predict(makers[name], samples, rows[chosen], arrays, batch_size, tiles)]
            for array in made[0]:
                values = np.concatenate([part[array] for part in made])
                maps.setdefault(array, np.empty((len(rows), *values.shape[1:]), values.dtype))[chosen] = values
        yield {name: values.reshape(-1, *values.shape[2:]) for name, values in maps.items()}


def _stored(maps: BaseMaps) -> Batch:
    """Arrays (images, maps an image, ...)."""
    stored = {"logits": stored_logits(maps.logits)}
    if maps.tta is not None:
        stored["tta"] = stored_logits(maps.tta)
    if maps.features is not None:
        largest = torch.finfo(torch.float16).max
        stored["features"] = maps.features.clamp(-largest, largest).half().cpu().numpy()[:, None]
    return stored
