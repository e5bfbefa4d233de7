"""`kind: maps`: maps that other programs wrote, one file per image and program, and no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import pandas as pd
from torch import Tensor

from prn_pipeline.data.readers.listing import require_dataset_folder
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.input_names import SEVERAL_MAPS
from prn_pipeline.segmentation.map_places import MapPlace, labels_of
from prn_pipeline.segmentation.map_stack import MapStack
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace, MapCache
from prn_pipeline.segmentation.settings import MapFilesSettings


class MapFiles:
    """Folders of maps; see `protocol.MapSource`. It has no network, so it cannot be run on other images."""

    arrays: tuple[str, ...] = ()
    runnable = None

    def __init__(self, settings: MapFilesSettings) -> None:
        self.settings = settings

    def check_size(self, size: int) -> None:
        """Any size is supported: maps are resized."""

    def prepared(self, samples: Samples) -> Samples:
        """The samples, unchanged."""
        return samples

    def map_cache(self, samples: Samples, maps: pd.DataFrame, request: CacheRequest) -> MapCache:
        """See `protocol.MapSource`."""
        stack = self.map_stack(request.place)
        manifest = stack.assigned(maps, self.settings.seen)
        digests = stack.digests(manifest.loc[manifest["model"] != NO_MAP, "sample_id"].tolist())
        keep = {*request.keep, SEVERAL_MAPS}  # these are as many bytes as the maps that the user has anyway
        labels = {SEVERAL_MAPS: list(stack.labels)} if SEVERAL_MAPS in stack.further else {}
        return MapCache(manifest, digests, partial(stack.batches, samples, manifest, keep), attributes=labels)

    def map_folder(self, place: DatasetPlace) -> MapFolder:
        """The folder of the base model's maps.

        Raises:
            UserError: the folder is missing, or has no maps.
        """
        return self.map_stack(place).base

    def map_stack(self, place: DatasetPlace) -> MapStack:
        """The folders of all maps.

        Raises:
            UserError: a folder is missing, or has no maps.
        """
        dataset_folder = require_dataset_folder(place.name, place.data_root, place.folder or place.name)

        def folder_at(one: MapPlace) -> MapFolder:
            return MapFolder(dataset_folder, one.folder, one.name, one.reading)

        settings = self.settings
        further = {name: tuple(map(folder_at, places)) for name, places in settings.further.items()}
        labels = tuple(labels_of(settings.places))
        return MapStack(folder_at(settings.places[0]), further, settings.tta_is_mean, labels)

    def state_dict(self) -> dict[str, Tensor]:
        """An empty dict: there are no weights."""
        return {}

    def load_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Do nothing: there are no weights."""

    def parameters(self) -> Iterable[Tensor]:
        """An empty tuple: there are no parameters."""
        return ()

    def eval(self) -> MapFiles:
        """Return self, as `nn.Module.eval` does."""
        return self
