"""Refine the test maps and measure every method on them."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from prn_pipeline.data.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.sample_store import IDENTITY, Samples
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.refinement.fold_ensemble import FoldEnsemble
from prn_pipeline.refinement.refiner import Refiner
from prn_pipeline.stages.evaluation import measure, tune_threshold
from prn_pipeline.stages.native import native_resolution
from prn_pipeline.stages.scoring import per_image, score_methods
from prn_pipeline.training.inference import predict_logits


def refine_test_maps(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    refiner: Refiner | FoldEnsemble,
    settings: dict[str, Any],
) -> ArrayStream:
    """PRN's logits of the test samples, in order of the manifest."""
    stores = Samples(manifest, {"samples": samples, "logits": logits})
    batches = predict_logits(refiner, stores, stores.rows(["test"]), refiner.arrays, settings["batch_size"])
    return ArrayStream(({"logits": maps} for maps in batches), {IDENTITY: manifest.attrs[IDENTITY]})


def evaluate(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    refined: ArrayStore,
    refiner: nn.Module,
    stage_seconds: dict[str, float],
    cell: dict[str, Any],
    data_root: str,
    patch_size: int,
    settings: dict[str, Any],
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The scores JSON and the IoU of every test image."""
    start = time.perf_counter()
    stores = Samples(manifest, {"samples": samples, "logits": logits})
    resize = None
    if settings["resolution"] == "native":
        described = DatasetSettings.model_validate(cell["dataset"])
        resize = native_resolution(cell["names"]["dataset"], described, Path(data_root), manifest)
    threshold = tune_threshold(stores, map_manifest)
    rows: np.ndarray = stores.rows(["test"])
    measured = measure(stores, refined, rows, threshold, patch_size, resize)
    scored = score_methods(measured, settings["resamples"], cell["names"]["seed"])
    scored["methods"]["tuned_threshold"]["threshold"] = threshold
    seconds = stage_seconds | {"evaluation": stage_seconds.get("evaluation", 0.0) + time.perf_counter() - start}
    scores = {**cell["names"], "resolution": settings["resolution"], **scored}
    if isinstance(refiner, FoldEnsemble):
        scores["guard"] = refiner.guard
    return scores | {"seconds": {stage: round(value, 2) for stage, value in seconds.items()}}, per_image(measured)
