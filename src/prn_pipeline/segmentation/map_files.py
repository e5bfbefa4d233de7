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
    """A folder of maps; see `protocol.MapSource`. It has no weights and cannot be run on other images."""

    arrays: tuple[str, ...] = ()
    runnable = None

    def __init__(self, settings: MapFilesSettings) -> None:
        self.settings = settings

    def check_size(self, size: int) -> None:
        """Maps are brought to any size."""

    def prepared(self, samples: Samples) -> Samples:
        """The samples themselves."""
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
            UserError: there is none, or it holds no map.
        """
        described = self.settings
        below = require_dataset_folder(place.name, place.data_root, place.folder or place.name)
        return MapFolder(below, described.folder, described.name, described.values)

    def state_dict(self) -> dict[str, Tensor]:
        """No weights."""
        return {}

    def load_state_dict(self, weights: Mapping[str, Tensor]) -> None:
        """Nothing to load."""

    def parameters(self) -> Iterable[Tensor]:
        """No parameters."""
        return ()

    def eval(self) -> MapFiles:
        """Itself, as modules do."""
        return self


class MapFilesKind:
    """See `protocol.MapSourceKind`."""

    name = "maps"
    settings = MapFilesSettings

    def build(self, settings: MapFilesSettings, pretrained: bool) -> MapFiles:
        """The folder of maps that settings describe."""
        return MapFiles(settings)


MAP_FILES = MapFilesKind()
