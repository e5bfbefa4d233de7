"""Refine the test maps, and evaluate every method on them."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from prn_pipeline.comparison.method import Tuned
from prn_pipeline.comparison.scores_file import DOUBTED_MAPS, MAP_WARNINGS, SCHEMA
from prn_pipeline.data.episodes import categories_of
from prn_pipeline.data.execution.deferred_arrays import DeferredArrays, deferred_arrays
from prn_pipeline.data.execution.engine import open_engine
from prn_pipeline.data.execution.settings import read_engine
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStore, ArrayStream
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.data.store.sample_store import IDENTITY
from prn_pipeline.refinement.protocol import LearningMaps, Refiner
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.stages.evaluation.expected_iou import as_json, fit_to_held_out
from prn_pipeline.stages.evaluation.map_descriptions import described_maps, reference_rows
from prn_pipeline.stages.evaluation.measuring import measure, refined_maps
from prn_pipeline.stages.evaluation.model_costs import model_costs
from prn_pipeline.stages.evaluation.native_resolution import native_resolution
from prn_pipeline.stages.evaluation.scoring import per_image, score_methods
from prn_pipeline.stages.evaluation.task_metrics import TaskMetrics, task_metrics
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.tracking.provenance import settings_digests
from prn_pipeline.tracking.stage_costs import Costs, spent_so_far
from prn_pipeline.training.convergence import convergence
from prn_pipeline.training.tiling import Tiles


def refine_test_maps(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    refiner: Refiner,
    settings: dict[str, Any],
    tiles: dict[str, int],
    engine: dict[str, Any],
) -> ArrayStream | DeferredArrays:
    """The refiner's logits of the test samples, in the order of the manifest."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    rows = stores.rows(["test"])
    make = partial(refined_maps, stores, rows, refiner, settings["batch_size"], Tiles(**tiles))
    attributes = {IDENTITY: manifest.attrs[IDENTITY]}
    return deferred_arrays(read_engine(engine), make, len(rows), attributes, stores.maps_per_image)


def describe_learning_maps(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    refiner: Refiner,
    settings: dict[str, Any],
    tiles: dict[str, int],
) -> ArrayStream:
    """Statistics of the images and maps that the refiner learned from."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    rows = reference_rows(stores, map_manifest, settings["reference_images"])
    described = described_maps(stores, rows, refiner, settings["batch_size"], Tiles(**tiles))
    return ArrayStream(described, {IDENTITY: manifest.attrs[IDENTITY]})


def estimate_expected_iou(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    refiner: Refiner,
    settings: dict[str, Any],
    tiles: dict[str, int],
) -> dict[str, Any]:
    """How to tell the IoU of a single mask from its maps, fitted to maps that the refiner held out."""
    maps = LearningMaps(map_samples(manifest, {"samples": samples, "logits": logits}), map_manifest)
    return as_json(fit_to_held_out(maps, refiner, settings["batch_size"], Tiles(**tiles)))


def measure_methods(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    refined: ArrayStore,
    run: dict[str, Any],
    data_root: str,
    patch_size: int,
    settings: dict[str, Any],
    engine: dict[str, Any],
) -> tuple[pd.DataFrame, list[TaskMetrics], Tuned]:
    """Pixel counts of every method on every test map, the task metrics, and the tuned values."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    dataset = DatasetSettings.model_validate(run["dataset"])
    resize = None
    if settings["resolution"] == "native":
        resize = native_resolution(run["names"]["dataset"], dataset, Path(data_root), stores.manifest)
    rows = stores.rows(["test"])
    metrics = task_metrics(dataset.task, dataset.classes, categories_of(stores.manifest, rows))
    with open_engine(read_engine(engine)) as workers:
        tuned = tune(stores, map_manifest, patch_size, workers)
        measured = measure(stores, refined, rows, tuned, resize, metrics, workers)
    return measured, metrics, tuned


def measure_costs(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    base_model: MapSource,
    refiner: Refiner,
) -> dict[str, Any]:
    """Parameters, arithmetic operations and time of both networks."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits})
    return model_costs(base_model, refiner, base_model.prepared(stores))


def score(
    measured: pd.DataFrame,
    task_metrics: list[TaskMetrics],
    tuned: Tuned,
    model_costs: dict[str, Any],
    refiner: Refiner,
    base_history: pd.DataFrame,
    dataset_costs: Costs,
    base_costs: Costs,
    run_costs: Costs,
    run: dict[str, Any],
    patch_size: int,
    settings: dict[str, Any],
    logits: ArrayStore,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The scores JSON and the IoU of every test image."""
    scored = score_methods(measured, tuned, settings["resamples"], run["names"]["seed"], task_metrics)
    ending = convergence(base_history, run["base_training"]["epochs"])
    scores = {
        "schema": SCHEMA,
        **run["names"],
        "resolution": settings["resolution"],
        **scored,
        **({"base_training": ending} if ending else {}),
        **{key: found for key in (MAP_WARNINGS, DOUBTED_MAPS) if (found := logits.attributes.get(key))},
        "settings": settings_digests(run, patch_size, settings["resolution"]),
        **({"guard": refiner.guard} if refiner.guard else {}),
        "cost": model_costs,
        **spent_so_far(dataset_costs | base_costs | run_costs),
    }
    return scores, per_image(measured)
