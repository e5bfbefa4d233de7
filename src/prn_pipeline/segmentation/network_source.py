"""Map sources that are networks: they make the maps, and may be trained here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.segmentation.maps import BaseMaps, MapMaker
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace, MapCache
from prn_pipeline.training.inference import DEFAULT_TILES, predict
from prn_pipeline.training.module_files import weights_digest
from prn_pipeline.training.tiling import Tiles

if TYPE_CHECKING:
    from prn_pipeline.training.task import Objective


class NetworkSource(nn.Module):
    """A network that satisfies `protocol.MapSource`; subclasses define `forward`, `settings` and `check_size`."""

    settings: Any

    #: Inputs of `forward`, in order.
    arrays: tuple[str, ...] = ("images",)

    @property
    def runnable(self) -> nn.Module:
        """The network itself."""
        return self

    def check_size(self, size: int) -> None:
        """See `protocol.MapSource`; subclasses override it if they do not support every size."""

    def check_output(self, images: Tensor) -> None:
        """Raise UserError if the network's output for images (N,3,H,W) of values 0 .. 255 is not what settings say."""

    def prepared(self, samples: Samples) -> Samples:
        """The samples, unchanged: they have images."""
        return samples

    def objective(self) -> Objective:
        """The loss that the settings name, on true masks."""
        from prn_pipeline.segmentation.objective import MaskObjective  # loads segmentation-models-pytorch, slowly

        return MaskObjective(self.settings.loss, self.settings.classes)

    def map_cache(self, samples: Samples, maps: pd.DataFrame, request: CacheRequest) -> MapCache:
        """See `protocol.MapSource`."""
        manifest = assign_models(maps, request.protocol, request.fold_models, self.settings.seen)
        models = {"base": self, **request.fold_models}
        inputs = self.prepared(samples)
        make, logits_only = (
            partial(cached_maps, inputs, manifest, models, request.batch_size, keep, request.tiles)
            for keep in (request.keep, ())
        )
        return MapCache(
            manifest,
            {name: weights_digest(model) for name, model in models.items()},
            make,
            partial(_probe, logits_only, models),
        )

    def map_folder(self, place: DatasetPlace) -> None:
        """None: a network makes the maps."""


def cached_maps(
    samples: Samples,
    map_manifest: pd.DataFrame,
    models: Mapping[str, nn.Module],
    batch_size: int,
    keep: Collection[str],
    tiles: Tiles = DEFAULT_TILES,
    wanted: np.ndarray | None = None,
) -> Iterator[Batch]:
    """Maps of samples in order, each made by the model that `map_manifest` names.

    Args:
        samples: samples with the inputs of the models, one row per sample.
        map_manifest: manifest of `assign_models`; with C classes, C rows per sample.
        models: models by name.
        batch_size: samples per forward pass.
        keep: arrays to keep in addition to the logits: "tta", "features".
        tiles: tiles that larger samples are cut into.
        wanted: rows of `map_manifest`, int64 (n,), always all maps of an image; None for all rows.

    Yields:
        For B maps: logits float16 (B,S,S); tta float16 (B,2,S,S), mean and standard deviation of the logits over flips
        of the image; features float16 (B,F,h,w), h <= S / 2. See `maps.BaseMaps`.
    """
    classes = len(map_manifest) // len(samples.manifest)
    names = map_manifest["model"].to_numpy()[::classes]
    arrays: Any = next(iter(models.values())).arrays
    makers = {name: MapMaker(model, "tta" in keep, "features" in keep) for name, model in models.items()}
    for shard in shards(np.arange(len(map_manifest)) if wanted is None else wanted, classes):
        rows = shard[::classes] // classes
        maps: Batch = {}
        for name in sorted(set(names[rows])):
            chosen = np.flatnonzero(names[rows] == name)
            made = [_stored(batch) for batch in predict(makers[name], samples, rows[chosen], arrays, batch_size, tiles)]
            for array in made[0]:
                values = np.concatenate([batch[array] for batch in made])
                maps.setdefault(array, np.empty((len(rows), *values.shape[1:]), values.dtype))[chosen] = values
        yield {name: values.reshape(-1, *values.shape[2:]) for name, values in maps.items()}


def _probe(
    make: Callable[[np.ndarray], Iterator[Batch]], models: Mapping[str, nn.Module], rows: np.ndarray
) -> Iterator[Batch]:
    """Some maps; then the models are on the CPU again, as they were, so that workers without a GPU can load them."""
    try:
        yield from make(rows)
    finally:
        for model in models.values():
            model.to("cpu")


def _stored(maps: BaseMaps) -> Batch:
    """Arrays (images, maps per image, ...)."""
    stored = {"logits": stored_logits(maps.logits)}
    if maps.tta is not None:
        stored["tta"] = stored_logits(maps.tta)
    if maps.features is not None:
        largest = torch.finfo(torch.float16).max
        stored["features"] = maps.features.clamp(-largest, largest).half().cpu().numpy()[:, None]
    return stored
