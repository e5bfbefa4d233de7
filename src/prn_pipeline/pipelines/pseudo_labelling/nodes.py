"""Make pseudo-labels: binarize every patch at its own best threshold."""

from functools import partial
from typing import Any

import pandas as pd

from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, deferred_arrays
from prn_pipeline.data.execution.settings import read_engine
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.stages.pseudo_labelling import pseudo_label_batches


def make_pseudo_labels(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    settings: dict[str, Any],
    engine: dict[str, Any],
) -> ArrayStream | DeferredArrays:
    """Pseudo-labels of the maps that the refiner may learn from."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    make = partial(pseudo_label_batches, stores, map_manifest, settings["patch_size"], settings["levels"])
    attributes = {IDENTITY: manifest.attrs[IDENTITY], **settings}
    return deferred_arrays(read_engine(engine), make, len(map_manifest), attributes)
