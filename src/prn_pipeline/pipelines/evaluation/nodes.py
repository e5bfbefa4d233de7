"""Refine the test maps and measure every method on them."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from prn_pipeline.data.episodes import CATEGORY, episode_samples
from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, made_by
from prn_pipeline.data.execution.engine import open_engine
from prn_pipeline.data.execution.settings import read_engine
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.refinement.patch_refine_net.refiner import Refiner
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.segmentation import AnyBaseModel, FewShotModel, MapFiles
from prn_pipeline.stages.evaluation.map_descriptions import described_maps, reference_rows
from prn_pipeline.stages.evaluation.measuring import measure, refined_maps, tune_thresholds
from prn_pipeline.stages.evaluation.model_costs import model_costs
from prn_pipeline.stages.evaluation.native_resolution import native_resolution
from prn_pipeline.stages.evaluation.scoring import per_image, score_methods
from prn_pipeline.stages.evaluation.task_metrics import task_metrics
from prn_pipeline.tracking.provenance import settings_digests
from prn_pipeline.tracking.stage_costs import Costs
from prn_pipeline.training.tiling import Tiles


def refine_test_maps(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    refiner: Refiner | FoldEnsemble,
    settings: dict[str, Any],
    tiles: dict[str, int],
    engine: dict[str, Any],
) -> ArrayStream | DeferredArrays:
    """PRN's logits of the test samples, in order of the manifest."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    rows = stores.rows(["test"])
    make = partial(refined_maps, stores, rows, refiner, settings["batch_size"], Tiles(**tiles))
    attributes = {IDENTITY: manifest.attrs[IDENTITY]}
    return made_by(read_engine(engine), make, len(rows), attributes, stores.maps_per_image)


def describe_learning_maps(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    refiner: Refiner | FoldEnsemble,
    settings: dict[str, Any],
    tiles: dict[str, int],
) -> ArrayStream:
    """What the images and maps look like that PRN learned from."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    rows = reference_rows(stores, map_manifest, settings["reference_images"])
    described = described_maps(stores, rows, refiner, settings["batch_size"], Tiles(**tiles))
    return ArrayStream(described, {IDENTITY: manifest.attrs[IDENTITY]})


def evaluate(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    refined: ArrayStore,
    base_model: AnyBaseModel,
    refiner: Refiner | FoldEnsemble,
    dataset_costs: Costs,
    base_costs: Costs,
    run_costs: Costs,
    run: dict[str, Any],
    data_root: str,
    patch_size: int,
    settings: dict[str, Any],
    engine: dict[str, Any],
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The scores JSON and the IoU of every test image."""
    start = time.perf_counter()
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    resize = None
    if settings["resolution"] == "native":
        described = DatasetSettings.model_validate(run["dataset"])
        resize = native_resolution(run["names"]["dataset"], described, Path(data_root), stores.manifest)
    rows: np.ndarray = stores.rows(["test"])
    categories = stores.manifest[CATEGORY].to_numpy()[rows] if CATEGORY in stores.manifest else ()
    besides = task_metrics(run["dataset"]["task"], run["dataset"]["classes"], categories)
    with open_engine(read_engine(engine)) as workers:
        thresholds = tune_thresholds(stores, map_manifest, workers)
        measured = measure(stores, refined, rows, thresholds, patch_size, resize, besides, workers)
    scored = score_methods(measured, settings["resamples"], run["names"]["seed"], besides)
    scored["methods"]["tuned_threshold"]["threshold"] = thresholds[0] if len(thresholds) == 1 else thresholds
    costs = dataset_costs | base_costs | run_costs
    so_far = costs.get("evaluation", {"seconds": 0.0, "memory_mib": 0.0})
    spent = so_far["seconds"] + time.perf_counter() - start
    costs["evaluation"] = {"seconds": round(spent, 2), "memory_mib": so_far["memory_mib"]}
    scores = {**run["names"], "resolution": settings["resolution"], **scored}
    scores["settings"] = settings_digests(run, patch_size, settings["resolution"])
    if isinstance(refiner, FoldEnsemble):
        scores["guard"] = refiner.guard
    known = None if isinstance(base_model, MapFiles) else base_model
    if isinstance(known, FewShotModel):
        stores = episode_samples(stores, known.settings.shots, known.settings.episodes_seed)
    scores["cost"] = model_costs(known, refiner, refiner.arrays, stores)
    for amount in ("seconds", "memory_mib"):
        scores[amount] = {stage: cost[amount] for stage, cost in costs.items() if stage != "reporting"}
    return scores, per_image(measured)
