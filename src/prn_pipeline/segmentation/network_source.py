"""Map sources that are networks: they make the maps, and may be trained here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.logits import stored_logits
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.input_names import TTA_SCALES
from prn_pipeline.segmentation.input_size import InputSize
from prn_pipeline.segmentation.map_assignment import assign_models
from prn_pipeline.segmentation.maps import BaseMaps, MapMaker
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace, MapCache
from prn_pipeline.segmentation.scaled_tta import OtherScales, mean_over_scales, usable_scales
from prn_pipeline.training.channels import channels_first
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
    def input_shape(self) -> InputSize:
        """Height and width at which the network sees images; None: their own. See `input_size`."""
        found: InputSize = getattr(self.settings, "input_shape", None)
        return found

    @property
    def sees_whole_maps(self) -> bool:
        """Whether images must not be cut into tiles: a fixed input shows a whole image."""
        return self.input_shape is not None

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
        wished = request.tta_scales if "tta" in request.keep else ()
        scales = self._usable_scales(inputs, request.tiles, wished)
        make, logits_only = (
            partial(cached_maps, inputs, manifest, models, request.batch_size, keep, request.tiles, tta_scales=scales)
            for keep in (request.keep, ())
        )
        return MapCache(
            manifest,
            {name: weights_digest(model) for name, model in models.items()},
            make,
            partial(_probe, logits_only, models),
            {TTA_SCALES: list(scales)} if wished else {},
        )

    def _usable_scales(self, samples: Samples, tiles: Tiles, scales: Sequence[float]) -> Sequence[float]:
        if not scales:
            return ()
        image, *support = (channels_first(torch.from_numpy(samples.array(name, [0]))) for name in self.arrays)
        return usable_scales(self, [image[..., : tiles.size, : tiles.size], *support], scales)

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
    tta_scales: Sequence[float] = (),
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
        tta_scales: scales of `scaled_tta.usable_scales`, at which TTA is repeated if `keep` has it.

    Yields:
        For B maps: logits float16 (B,S,S); tta float16 (B,2,S,S), mean and standard deviation of the logits over flips
        of the image; features float16 (B,F,h,w), h <= S / 2. See `maps.BaseMaps`. With `tta_scales` also tta_scales
        float16 (B,S,S), mean of the logits over flips of the image at its own and all other scales. Maps of
        images that their model has learned from have NaN there, and cost nothing: nobody compares or learns from them.
    """
    classes = len(map_manifest) // len(samples.manifest)
    names = map_manifest["model"].to_numpy()[::classes]
    arrays: Any = next(iter(models.values())).arrays
    makers = {name: MapMaker(model, "tta" in keep, "features" in keep) for name, model in models.items()}
    scaled = tta_scales if "tta" in keep else ()
    unseen = ~map_manifest["seen_in_training"].to_numpy()[::classes]
    for shard in shards(np.arange(len(map_manifest)) if wanted is None else wanted, classes):
        rows = shard[::classes] // classes
        maps: Batch = {}
        for name in sorted(set(names[rows])):
            chosen = np.flatnonzero(names[rows] == name)
            made = [_stored(batch) for batch in predict(makers[name], samples, rows[chosen], arrays, batch_size, tiles)]
            for array in made[0]:
                values = np.concatenate([batch[array] for batch in made])
                maps.setdefault(array, np.empty((len(rows), *values.shape[1:]), values.dtype))[chosen] = values
            if scaled:
                means = maps.setdefault(TTA_SCALES, np.full_like(maps["logits"], np.nan))
                new = chosen[unseen[rows[chosen]]]
                others = OtherScales(models[name], scaled)
                side = max(samples.store_of(arrays[0]).shape(arrays[0])[1:3])
                at_once = min(batch_size, others.images_at_once(side, tiles))
                sums = predict(others, samples, rows[new], arrays, at_once, tiles)
                means[new] = _mean_with(maps["tta"][new, :, 0], sums, others.passes)
        yield {name: values.reshape(-1, *values.shape[2:]) for name, values in maps.items()}


def _mean_with(own: np.ndarray, sums: Iterator[torch.Tensor], passes: int) -> np.ndarray:
    """The mean over the flips at an image's own scale, whose mean is given, and over `passes` others, in their sum."""
    if not len(own):
        return own
    others = torch.cat([batch.float().cpu() for batch in sums])
    return stored_logits(mean_over_scales(torch.from_numpy(own), others, passes))


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
