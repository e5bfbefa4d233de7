"""Cache the base model's logits of every sample."""

from typing import Any

import pandas as pd
from torch import nn

from prn_pipeline.data.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.sample_store import IDENTITY, Samples
from prn_pipeline.stages.logit_caching import assign_models, cached_logits
from prn_pipeline.training.module_files import weights_digest


def cache_logits(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    base_model: nn.Module,
    fold_models: dict[str, nn.Module],
    settings: dict[str, Any],
) -> tuple[ArrayStream, pd.DataFrame]:
    """One map a sample, and which model made it."""
    map_manifest = assign_models(manifest, settings["protocol"], fold_models)
    models = {"base": base_model, **fold_models}
    batches = cached_logits(Samples(manifest, {"samples": samples}), map_manifest, models, settings["batch_size"])
    attributes = {
        IDENTITY: manifest.attrs[IDENTITY],
        "protocol": settings["protocol"],
        "models": {name: weights_digest(model) for name, model in models.items()},
    }
    return ArrayStream(({"logits": maps} for maps in batches), attributes), map_manifest
