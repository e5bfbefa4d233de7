"""Cache the maps of every sample."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from prn_pipeline.comparison.scores_file import DOUBTED_MAPS, MAP_WARNINGS
from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, deferred_arrays
from prn_pipeline.data.execution.settings import read_engine
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.segmentation.map_checks.check import check_maps
from prn_pipeline.segmentation.protocol import CacheRequest, DatasetPlace, MapSource
from prn_pipeline.segmentation.registry import require_current
from prn_pipeline.training.tiling import Tiles


def cache_logits(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    base_model: MapSource,
    fold_models: dict[str, nn.Module],
    settings: dict[str, Any],
    run: dict[str, Any],
    data_root: str,
    tiles: dict[str, int],
    engine: dict[str, Any],
) -> tuple[ArrayStream | DeferredArrays, pd.DataFrame]:
    """The maps of every sample, and the manifest that names the model of each map."""
    place = DatasetPlace(run["names"]["dataset"], run["dataset"]["folder"], Path(data_root))
    request = CacheRequest(
        settings["protocol"],
        fold_models,
        settings["batch_size"],
        settings["keep"],
        Tiles(**tiles),
        place,
        settings["tta_scales"],
    )
    maps = map_samples(manifest, {"samples": samples}).manifest
    images = Samples(manifest, {"samples": samples})
    require_current(base_model, run["base_model"], run["names"]["base_model"])
    cache = base_model.map_cache(images, maps, request)
    warnings = check_maps(base_model, cache, images, place)
    attributes = {
        IDENTITY: manifest.attrs[IDENTITY],
        "protocol": settings["protocol"],
        "models": dict(cache.models),
        **cache.attributes,
        **({MAP_WARNINGS: warnings.sentences} if warnings.sentences else {}),
        **({DOUBTED_MAPS: True} if warnings.doubted else {}),
    }
    rows, maps_per_image = len(cache.manifest), len(cache.manifest) // len(manifest)
    return deferred_arrays(read_engine(engine), cache.make, rows, attributes, maps_per_image), cache.manifest
