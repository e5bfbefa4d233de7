"""Cache the base model's logits of every sample."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from prn_pipeline.data.episodes import SUPPORT, episode_samples
from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, made_by
from prn_pipeline.data.execution.settings import read_engine
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import IDENTITY, Samples
from prn_pipeline.segmentation import AnyBaseModel, FewShotModel, MapFiles, RunnableModel
from prn_pipeline.segmentation.map_files import folder_of_maps
from prn_pipeline.stages.logit_caching import assign_models, cached_maps
from prn_pipeline.stages.map_import import EXTERNAL, assign_maps, imported_maps
from prn_pipeline.training.module_files import weights_digest
from prn_pipeline.training.tiling import Tiles


def cache_logits(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    base_model: AnyBaseModel,
    fold_models: dict[str, RunnableModel],
    settings: dict[str, Any],
    run: dict[str, Any],
    data_root: str,
    tiles: dict[str, int],
    engine: dict[str, Any],
) -> tuple[ArrayStream | DeferredArrays, pd.DataFrame]:
    """The maps of every sample, and which model made them."""
    attributes = {IDENTITY: manifest.attrs[IDENTITY], "protocol": settings["protocol"]}
    stores = Samples(manifest, {"samples": samples})
    maps = map_samples(manifest, {"samples": samples}).manifest
    if isinstance(base_model, MapFiles):
        name = run["names"]["dataset"]
        folder = folder_of_maps(base_model.settings, name, run["dataset"]["folder"], Path(data_root))
        map_manifest = assign_maps(maps, folder, base_model.settings.seen)
        digest = folder.digest(map_manifest.loc[map_manifest["model"] != NO_MAP, "sample_id"])
        attributes["models"] = {EXTERNAL: digest}
        return ArrayStream(imported_maps(stores, map_manifest, folder), attributes), map_manifest
    map_manifest = assign_models(maps, settings["protocol"], fold_models, base_model.settings.seen)
    if isinstance(base_model, FewShotModel):
        stores = episode_samples(stores, base_model.settings.shots, base_model.settings.episodes_seed)
        map_manifest[SUPPORT] = stores.support_ids
    models = {"base": base_model, **fold_models}
    attributes["models"] = {name: weights_digest(model) for name, model in models.items()}
    make = partial(cached_maps, stores, map_manifest, models, settings["batch_size"], settings["keep"], Tiles(**tiles))
    together = len(map_manifest) // len(manifest)
    return made_by(read_engine(engine), make, len(map_manifest), attributes, together), map_manifest
