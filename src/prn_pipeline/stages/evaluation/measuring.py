"""Evaluates every comparison method on the same test maps, and counts pixels batch by batch."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import Prediction, Tuned, TunedMap
from prn_pipeline.data.execution.settings import LOCAL, Engine, RowRange
from prn_pipeline.data.store.array_store import ArrayStore, Batch
from prn_pipeline.data.store.logits import probabilities_of
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.counts import COLUMNS, TruthCounter
from prn_pipeline.refinement.baselines.threshold_tuning import ThresholdTuner
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.stages.evaluation.map_pairs import Resize, stream_batches
from prn_pipeline.stages.evaluation.task_metrics import TaskMetrics
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles


def refined_maps(
    samples: Samples, rows: np.ndarray, refiner: Refiner, batch_size: int, tiles: Tiles, wanted: np.ndarray
) -> Iterator[Batch]:
    """The refiner's logits of `rows[wanted]` in order, float16 (B,S,S)."""
    maps = predict_logits(refiner, samples, rows[wanted], refiner.arrays, batch_size, tiles)
    return ({"logits": logits} for logits in maps)


def tune_thresholds(
    samples: Samples, map_manifest: pd.DataFrame, engine: Engine = LOCAL
) -> dict[TunedMap, list[float]]:
    """The thresholds with the best iou_micro on maps that a refiner may learn from (never on test).

    Returns:
        For each stored map of the base model, one threshold per class (one in all for foreground).
    """
    rows = learning_rows(map_manifest)
    tuners = _tuners(samples)
    for counted in engine.run(partial(_tuned, samples, rows), engine.row_ranges(len(rows), samples.maps_per_image)):
        for name, class_tuners in counted.items():
            for tuner, other in zip(tuners[name], class_tuners, strict=True):
                tuner.add(other)
    return {name: [tuner.best() for tuner in class_tuners] for name, class_tuners in tuners.items()}


def _tuners(samples: Samples) -> dict[TunedMap, list[ThresholdTuner]]:
    tuned: list[TunedMap] = ["base", "tta"] if samples.holds("tta") else ["base"]
    return {name: [ThresholdTuner() for _ in range(samples.maps_per_image)] for name in tuned}


def _tuned(samples: Samples, rows: np.ndarray, row_range: RowRange) -> dict[TunedMap, list[ThresholdTuner]]:
    """Tuners that have counted one range of rows."""
    tuners, step = _tuners(samples), samples.maps_per_image
    names = ("logits", "masks", "tta") if "tta" in tuners else ("logits", "masks")
    for logits, masks, *tta in samples.batches(names, rows[slice(*row_range)]):
        maps = {"base": logits} | ({"tta": tta[0][:, 0]} if tta else {})
        for name, class_tuners in tuners.items():
            for class_id, tuner in enumerate(class_tuners):
                tuner.update(probabilities_of(maps[name][class_id::step]), masks[class_id::step])
    return tuners


def measure(
    samples: Samples,
    refined: ArrayStore,
    rows: np.ndarray,
    thresholds: Mapping[TunedMap, Sequence[float]],
    patch_size: int,
    resize: Resize | None = None,
    task_metrics: Sequence[TaskMetrics] = (),
    engine: Engine = LOCAL,
) -> pd.DataFrame:
    """Pixel counts of every method on every test map.

    Args:
        samples: samples with arrays logits and masks, and optionally tta.
        refined: store of the refiner's logits of the test rows.
        rows: rows of the test maps, int (n,).
        thresholds: thresholds from `tune_thresholds`.
        patch_size: patch size of the oracle, in pixels at model resolution. At native resolution its square patches
            have the same size relative to the longer side, so an oblong image has fewer patches than its sample.
        resize: function that resizes maps to native resolution; None evaluates at model resolution, as the paper does.
        task_metrics: metrics of the task, updated with every batch.
        engine: engine that runs the work.

    Returns:
        One row per map and method: row (index among the test maps), sample_id, group, class_id (if there are classes),
        method, the columns of `metrics.COLUMNS`, mae, and truth_outline: true pixels in the band of boundary IoU. The
        mean absolute error is that of the probabilities, or of the masks for methods that give masks only.
    """
    grid = -(-samples.store_of("logits").shape("logits")[1] // patch_size)
    work = partial(_measured, samples, refined, rows, thresholds, grid, resize, task_metrics)
    counted = []
    for measured in engine.run(work, engine.row_ranges(len(rows), samples.maps_per_image)):
        for metric, other in zip(task_metrics, measured.task_metrics, strict=True):
            metric.add(other)
        counted.append((measured.counts, measured.errors, measured.outlines))
        methods = measured.methods
    counts, errors, outlines = (np.concatenate(arrays) for arrays in zip(*counted, strict=True))
    columns = [name for name in ("sample_id", "group", "video", "class_id") if name in samples.manifest]
    maps = samples.manifest.iloc[rows][columns]
    measurements = maps.assign(row=np.arange(len(rows))).loc[maps.index.repeat(len(methods))].reset_index(drop=True)
    measurements["method"] = np.tile(methods, len(rows))
    measurements[list(COLUMNS)] = counts.reshape(-1, len(COLUMNS))
    return measurements.assign(mae=errors.ravel(), truth_outline=outlines.repeat(len(methods)))


class _Measured(NamedTuple):
    """Results for one range of test maps; see `count_methods`."""

    methods: list[str]
    counts: np.ndarray
    errors: np.ndarray
    outlines: np.ndarray
    task_metrics: Sequence[TaskMetrics]


def _measured(
    samples: Samples,
    refined: ArrayStore,
    rows: np.ndarray,
    thresholds: Mapping[TunedMap, Sequence[float]],
    grid: int,
    resize: Resize | None,
    task_metrics: Sequence[TaskMetrics],
    row_range: RowRange,
) -> _Measured:
    """Results for one range of rows; `task_metrics` are empty and stay unchanged."""
    task_metrics = copy.deepcopy(task_metrics)
    counted, methods = [], []
    for maps in stream_batches(samples, refined, rows, resize, row_range):
        tuned = Tuned(thresholds, patch_size=-(-max(maps.masks.shape[1:]) // grid))
        predictions = table.predictions(maps, tuned, samples.maps_per_image)
        methods = list(predictions)
        counted.append(count_methods(predictions, maps.masks))
        for metric in task_metrics:
            metric.update(predictions, maps.masks)
    counts, errors, outlines = (np.concatenate(arrays) for arrays in zip(*counted, strict=True))
    return _Measured(methods, counts, errors, outlines, task_metrics)


def count_methods(
    predictions: Mapping[str, Prediction], masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts int64 (N, methods, 6), mean absolute errors float64 (N, methods) and outline pixels int64 (N,) of a batch.

    Outline pixels are those of the truth; see `TruthCounter`.
    """
    counter = TruthCounter(masks)
    counts = [counter.count(prediction.masks) for prediction in predictions.values()]
    errors = [
        _mean_absolute_errors(prediction, counter, counted)
        for prediction, counted in zip(predictions.values(), counts, strict=True)
    ]
    return np.stack(counts, axis=1), np.stack(errors, axis=1), counter.outline_pixels


def _mean_absolute_errors(prediction: Prediction, counter: TruthCounter, counts: np.ndarray) -> np.ndarray:
    """Mean of |map - truth| over the valid pixels of each image, float64 (N,); 0 for an image without valid pixels."""
    if prediction.probabilities is None:
        wrong, valid = counts[:, 1] + counts[:, 2], counts[:, :4].sum(1)
        return (wrong / np.maximum(valid, 1)).astype(np.float32).astype(np.float64)  # the rounding of float32 means
    errors = np.abs(prediction.probabilities - counter.truth)
    return np.array([e[v].mean() if v.any() else 0.0 for e, v in zip(errors, counter.valid, strict=True)], np.float64)
