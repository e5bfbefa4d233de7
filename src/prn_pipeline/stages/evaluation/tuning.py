"""What comparison methods select on maps that a refiner may learn from, never on test.

First the thresholds, then the methods' own values, which may depend on them. So every map is read twice.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import LearningBatch, MethodTuner, Tuned, TunedMap
from prn_pipeline.data.execution.settings import LOCAL, Engine, RowRange
from prn_pipeline.data.store.logits import probabilities_of
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.refinement.baselines.threshold_tuning import ThresholdTuner
from prn_pipeline.stages.evaluation.free_maps import free_maps, learning_batches


def tune(samples: Samples, map_manifest: pd.DataFrame, patch_size: int, engine: Engine = LOCAL) -> Tuned:
    """The values with the best iou_micro on maps that a refiner may learn from.

    Args:
        samples: samples with arrays logits and masks, and optionally those of TTA.
        map_manifest: manifest of the maps.
        patch_size: patch size of the oracle, in pixels at model resolution; passed on.
        engine: engine that runs the work.

    Returns:
        For each stored map of the base model one threshold per class (one in all for foreground), and what each method
        with a tuner selected.
    """
    rows = learning_rows(map_manifest)
    ranges = engine.row_ranges(len(rows), samples.maps_per_image)
    thresholds = _threshold_tuners(samples)
    for counted in engine.run(partial(_count_thresholds, samples, rows), ranges):
        for name, class_tuners in counted.items():
            for tuner, other in zip(thresholds[name], class_tuners, strict=True):
                tuner.add(other)
    tuned = Tuned({name: [tuner.best() for tuner in of_map] for name, of_map in thresholds.items()}, patch_size)
    methods = _method_tuners(tuned)
    if methods:
        for others in engine.run(partial(_count_methods, samples, rows, tuned), ranges):
            for method, method_tuner in methods.items():
                method_tuner.add(others[method])
    return Tuned(tuned.thresholds, patch_size, {name: tuner.best() for name, tuner in methods.items()})


def _threshold_tuners(samples: Samples) -> dict[TunedMap, list[ThresholdTuner]]:
    return {name: [ThresholdTuner() for _ in range(samples.maps_per_image)] for name in free_maps(samples)}


def _count_thresholds(samples: Samples, rows: np.ndarray, row_range: RowRange) -> dict[TunedMap, list[ThresholdTuner]]:
    """Tuners that have counted one range of rows."""
    tuners, step = _threshold_tuners(samples), samples.maps_per_image
    for maps, masks in learning_batches(samples, rows[slice(*row_range)]):
        for name, class_tuners in tuners.items():
            for class_id, tuner in enumerate(class_tuners):
                tuner.update(probabilities_of(maps[name][class_id::step]), masks[class_id::step])
    return tuners


def _method_tuners(tuned: Tuned) -> dict[str, MethodTuner]:
    made = {method.name: method.tuner(tuned.thresholds) for method in table.METHODS if method.tuner is not None}
    return {name: tuner for name, tuner in made.items() if tuner is not None}


def _count_methods(samples: Samples, rows: np.ndarray, tuned: Tuned, row_range: RowRange) -> dict[str, MethodTuner]:
    """Tuners of methods that have counted one range of rows."""
    tuners = _method_tuners(tuned)
    for maps, masks in learning_batches(samples, rows[slice(*row_range)]):
        batch = LearningBatch({name: values.astype(np.float32) for name, values in maps.items()}, masks)
        for tuner in tuners.values():
            tuner.update(batch)
    return tuners
