"""Evaluates every comparison method on the same test maps, and counts pixels batch by batch."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import Prediction, Tuned
from prn_pipeline.data.execution.settings import LOCAL, Engine, RowRange
from prn_pipeline.data.store.array_store import ArrayStore, Batch
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.counts import COLUMNS, TruthCounter
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


def measure(
    samples: Samples,
    refined: ArrayStore,
    rows: np.ndarray,
    tuned: Tuned,
    resize: Resize | None = None,
    task_metrics: Sequence[TaskMetrics] = (),
    engine: Engine = LOCAL,
) -> pd.DataFrame:
    """Pixel counts of every method on every test map.

    Args:
        samples: samples with arrays logits and masks, and optionally tta.
        refined: store of the refiner's logits of the test rows.
        rows: rows of the test maps, int (n,).
        tuned: values from `tuning.tune`, with the patch size of the oracle at model resolution. At native resolution
            its square patches have the same size relative to the longer side, so an oblong image has fewer patches than
            its sample.
        resize: function that resizes maps to native resolution; None evaluates at model resolution, as the paper does.
        task_metrics: metrics of the task, updated with every batch.
        engine: engine that runs the work.

    Returns:
        One row per map and method: row (index among the test maps), sample_id, group, class_id (if there are classes),
        method, the columns of `metrics.COLUMNS`, mae, and truth_outline: true pixels in the band of boundary IoU. The
        mean absolute error is that of the probabilities, or of the masks for methods that give masks only.
    """
    work = partial(_measured, samples, refined, rows, tuned, resize, task_metrics)
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
    tuned: Tuned,
    resize: Resize | None,
    task_metrics: Sequence[TaskMetrics],
    row_range: RowRange,
) -> _Measured:
    """Results for one range of rows; `task_metrics` are empty and stay unchanged."""
    task_metrics, canvas = copy.deepcopy(task_metrics), samples.canvas
    counted, methods = [], []
    for maps in stream_batches(samples, refined, rows, resize, row_range):
        native = maps.masks.shape[1], maps.masks.shape[2]
        grid = -(-max(canvas.region(native).shape) // tuned.patch_size)
        here = replace(tuned, patch_size=-(-max(native) // grid))
        predictions = table.predictions(maps, here, samples.maps_per_image)
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
