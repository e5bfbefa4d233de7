"""Test images, every method on the same maps, counted as they stream by."""

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
    samples: Samples, rows: np.ndarray, refiner: Refiner, batch_size: int, tiles: Tiles, some: np.ndarray
) -> Iterator[Batch]:
    """PRN's logits float16 (B,S,S) of `rows[some]`, in order."""
    maps = predict_logits(refiner, samples, rows[some], refiner.arrays, batch_size, tiles)
    return ({"logits": logits} for logits in maps)


def tune_thresholds(
    samples: Samples, map_manifest: pd.DataFrame, engine: Engine = LOCAL
) -> dict[TunedMap, list[float]]:
    """The thresholds with the best iou_micro on maps that a refiner may learn from (never on test).

    Returns:
        For each map of the base model that was kept, one threshold per map of an image.
    """
    rows, together = learning_rows(map_manifest), samples.maps_per_image
    tuners = _tuners(samples)
    for counted in engine.run(partial(_tuned, samples, rows), engine.row_ranges(len(rows), together)):
        for name, of_map in counted.items():
            for tuner, part in zip(tuners[name], of_map, strict=True):
                tuner.add(part)
    return {name: [tuner.best() for tuner in of_map] for name, of_map in tuners.items()}


def _tuners(samples: Samples) -> dict[TunedMap, list[ThresholdTuner]]:
    tuned: list[TunedMap] = ["base", "tta"] if samples.holds("tta") else ["base"]
    return {name: [ThresholdTuner() for _ in range(samples.maps_per_image)] for name in tuned}


def _tuned(samples: Samples, rows: np.ndarray, part: RowRange) -> dict[TunedMap, list[ThresholdTuner]]:
    tuners, together = _tuners(samples), samples.maps_per_image
    names = ("logits", "masks", "tta") if "tta" in tuners else ("logits", "masks")
    for logits, masks, *tta in samples.batches(names, rows[slice(*part)]):
        maps = {"base": logits} | ({"tta": tta[0][:, 0]} if tta else {})
        for name, of_map in tuners.items():
            for number, tuner in enumerate(of_map):
                tuner.update(probabilities_of(maps[name][number::together]), masks[number::together])
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
    """Counts of every method on every test map.

    Args:
        samples: with arrays logits and masks, and tta where they were kept.
        refined: PRN's logits of the test rows.
        rows: rows of the test maps, int (n,).
        thresholds: of `tune_thresholds`.
        patch_size: of the oracle, in pixels at model resolution. At native resolution its squares are the same share of
            the longer side, so that an oblong image has fewer of them than its stretched sample.
        resize: to native resolution; None measures at model resolution, as the paper does.
        task_metrics: what the task measures beside the counts; they see every batch.
        engine: who does it.

    Returns:
        One row a map and method: row (of the test maps), sample_id, group, class_id where there are classes, method,
        the columns of `metrics.COLUMNS`, mae. The mean absolute error is of probabilities, and of the masks of
        methods that give masks only.
    """
    grid = -(-samples.store_of("logits").shape("logits")[1] // patch_size)
    work = partial(_measured, samples, refined, rows, thresholds, grid, resize, task_metrics)
    counted = []
    for measured in engine.run(work, engine.row_ranges(len(rows), samples.maps_per_image)):
        for metric, part in zip(task_metrics, measured.task_metrics, strict=True):
            metric.add(part)
        counted.append((measured.counts, measured.errors))
        methods = measured.methods
    counts, errors = (np.concatenate(parts) for parts in zip(*counted, strict=True))
    known = [name for name in ("sample_id", "group", "video", "class_id") if name in samples.manifest]
    named = samples.manifest.iloc[rows][known]
    table = named.assign(row=np.arange(len(rows))).loc[named.index.repeat(len(methods))].reset_index(drop=True)
    table["method"] = np.tile(methods, len(rows))
    table[list(COLUMNS)] = counts.reshape(-1, len(COLUMNS))
    return table.assign(mae=errors.ravel())


class _Measured(NamedTuple):
    """Of some test maps; see `count_methods`."""

    methods: list[str]
    counts: np.ndarray
    errors: np.ndarray
    task_metrics: Sequence[TaskMetrics]


def _measured(
    samples: Samples,
    refined: ArrayStore,
    rows: np.ndarray,
    thresholds: Mapping[TunedMap, Sequence[float]],
    grid: int,
    resize: Resize | None,
    task_metrics: Sequence[TaskMetrics],
    part: RowRange,
) -> _Measured:
    """What is counted of one range of rows; `task_metrics` have seen nothing yet, and stay so."""
    task_metrics = copy.deepcopy(task_metrics)
    counted, methods = [], []
    for maps in stream_batches(samples, refined, rows, resize, part):
        tuned = Tuned(thresholds, patch_size=-(-max(maps.masks.shape[1:]) // grid))
        predictions = table.predictions(maps, tuned, samples.maps_per_image)
        methods = list(predictions)
        counted.append(count_methods(predictions, maps.masks))
        for metric in task_metrics:
            metric.update(predictions, maps.masks)
    counts, errors = (np.concatenate(parts) for parts in zip(*counted, strict=True))
    return _Measured(methods, counts, errors, task_metrics)


def count_methods(predictions: Mapping[str, Prediction], masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts int64 (N, methods, 6) and mean absolute errors float64 (N, methods) of a batch."""
    counter = TruthCounter(masks)
    counts = [counter.count(prediction.masks) for prediction in predictions.values()]
    errors = [
        _mean_absolute_errors(prediction, counter, counted)
        for prediction, counted in zip(predictions.values(), counts, strict=True)
    ]
    return np.stack(counts, axis=1), np.stack(errors, axis=1)


def _mean_absolute_errors(prediction: Prediction, counter: TruthCounter, counts: np.ndarray) -> np.ndarray:
    """Mean over the valid pixels of each image of |map - truth|, float64 (N,); 0 where nothing is valid."""
    if prediction.probabilities is None:
        wrong, valid = counts[:, 1] + counts[:, 2], counts[:, :4].sum(1)
        return (wrong / np.maximum(valid, 1)).astype(np.float32).astype(np.float64)  # rounded as means of maps are
    errors = np.abs(prediction.probabilities - counter.truth)
    return np.array([e[v].mean() if v.any() else 0.0 for e, v in zip(errors, counter.valid, strict=True)], np.float64)
