"""Cache the base model's logits of every sample."""

from typing import Any

import pandas as pd

from prn_pipeline.data.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.sample_store import IDENTITY, Samples
from prn_pipeline.segmentation import BaseModel
from prn_pipeline.stages.logit_caching import assign_models, cached_maps
from prn_pipeline.training.module_files import weights_digest


def cache_logits(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    base_model: BaseModel,
    fold_models: dict[str, BaseModel],
    settings: dict[str, Any],
) -> tuple[ArrayStream, pd.DataFrame]:
    """The maps of every sample, and which model made them."""
    map_manifest = assign_models(manifest, settings["protocol"], fold_models)
    models = {"base": base_model, **fold_models}
    stores = Samples(manifest, {"samples": samples})
    batches = cached_maps(stores, map_manifest, models, settings["batch_size"], settings["keep"])
    attributes = {
        IDENTITY: manifest.attrs[IDENTITY],
        "protocol": settings["protocol"],
        "models": {name: weights_digest(model) for name, model in models.items()},
    }
    return ArrayStream(batches, attributes), map_manifest
