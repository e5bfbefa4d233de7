"""`kind: maps`: maps that another program wrote, one file per image, and no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import pandas as pd
from torch import Tensor

from prn_pipeline.data.readers.listing import require_dataset_folder
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.map_import import EXTERNAL, assign_maps, imported_maps
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace, MapCache
from prn_pipeline.segmentation.settings import MapFilesSettings


class MapFiles:
    """A folder of maps; see `protocol.MapSource`. It has no network, so it cannot be run on other images."""

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
        folder = self.map_folder(request.place)
        manifest = assign_maps(maps, folder, self.settings.seen)
        digest = folder.digest(manifest.loc[manifest["model"] != NO_MAP, "sample_id"])
        return MapCache(manifest, {EXTERNAL: digest}, partial(imported_maps, samples, manifest, folder))

    def map_folder(self, place: DatasetPlace) -> MapFolder:
        """The folder of maps.

        Raises:
            UserError: the folder is missing, or has no maps.
        """
        dataset_folder = require_dataset_folder(place.name, place.data_root, place.folder or place.name)
        return MapFolder(dataset_folder, self.settings.folder, self.settings.name, self.settings)

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


class MapFilesKind:
    """See `protocol.MapSourceKind`."""

    name = "maps"
    settings = MapFilesSettings

    def build(self, settings: MapFilesSettings, pretrained: bool) -> MapFiles:
        """The folder of maps that settings describe."""
        return MapFiles(settings)


MAP_FILES = MapFilesKind()
