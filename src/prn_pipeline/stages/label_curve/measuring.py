"""One draw of labelled images: a refiner fitted on them, and every free method tuned on them, counted on the others."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from prn_pipeline.comparison import table
from prn_pipeline.comparison.method import MapBatch, Prediction, Tuned
from prn_pipeline.comparison.refined import REFINED
from prn_pipeline.data.store.array_store import shards
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.counts import COLUMNS, TruthCounter
from prn_pipeline.refinement.protocol import FittingPlan, LearningMaps, Refiner, RefinerSettings
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.stages.evaluation.free_maps import learning_batches
from prn_pipeline.stages.evaluation.tuning import tune
from prn_pipeline.stages.label_curve.draws import LabelDraw
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles

#: Column of measured tables beside those of the manifest and of the counts.
METHOD = "method"
#: Method: a refiner's whole correction, whatever its guard selected; there only for refiners with a guard.
FULL_CORRECTION = "full_correction"
#: Attributes of a refiner's table: seconds of its fitting, and whether its guard left the maps as they were.
SECONDS, UNCHANGED = "seconds", "unchanged"


def labelled_alone(map_manifest: pd.DataFrame, draw: LabelDraw) -> pd.DataFrame:
    """The manifest of maps as if the drawn images were the only labelled ones.

    All other maps count as test maps, those of images that the base model was trained on included: their masks would be
    further labels.
    """
    drawn = np.isin(np.arange(len(map_manifest)), draw.drawn)
    alone = map_manifest.assign(
        split=map_manifest["split"].where(drawn, "test"),
        seen_in_training=map_manifest["seen_in_training"] & drawn,
    )
    alone.attrs = dict(map_manifest.attrs)
    return alone


def free_counts(samples: Samples, map_manifest: pd.DataFrame, draw: LabelDraw, patch_size: int) -> pd.DataFrame:
    """Counts of the methods that need no training on the held-out maps, their values tuned on the drawn ones.

    Args:
        samples: samples with arrays logits and masks, and optionally those of TTA.
        map_manifest: manifest of the maps.
        draw: which images to tune on, and which to measure on.
        patch_size: see `tune`.

    Returns:
        One row per held-out map and method: sample_id, group, class_id (if there are classes), method and `COLUMNS`.
    """
    tuned = tune(samples, labelled_alone(map_manifest, draw), patch_size)
    counted, methods = [], []
    for maps, masks in learning_batches(samples, draw.held_out):
        others = {name: values.astype(np.float32) for name, values in maps.items()}
        base, tta, tta_scales = (others.pop(name, None) for name in ("base", "tta", "tta_scales"))
        assert base is not None
        batch = MapBatch(base, base, masks, tta, tta_scales, others)
        predictions = table.predictions(batch, tuned, samples.maps_per_image)
        methods = table.without_training(predictions)
        counter = TruthCounter(masks)
        counted.append(np.stack([counter.count(predictions[name].masks) for name in methods], axis=1))
    return _table(samples, draw, methods, np.concatenate(counted))


def refined_counts(
    maps: LearningMaps, draw: LabelDraw, settings: RefinerSettings, plan: FittingPlan, batch_size: int
) -> pd.DataFrame:
    """Counts of a refiner on the held-out maps, fitted on the drawn ones alone.

    Returns:
        As `free_counts`, of the methods `refined` and, for a refiner with a guard, `FULL_CORRECTION`: what it has
        learned, where the guard selected less. With the attributes `SECONDS` and `UNCHANGED`.

    Raises:
        UserError: see `train_refiner`.
    """
    start = time.perf_counter()
    alone = LearningMaps(maps.samples, labelled_alone(maps.map_manifest, draw))
    refiner = train_refiner(alone, settings, plan).network
    seconds = time.perf_counter() - start
    assert isinstance(refiner, Refiner)
    unchanged = bool(refiner.guard and not refiner.guard["strength"])
    methods, counts = [REFINED.name], [_counts(refiner, maps.samples, draw.held_out, batch_size, plan.tiles)]
    if isinstance(refiner, FoldEnsemble):
        refiner.correction = Correction(start=1.0, strength=1.0)
        methods.append(FULL_CORRECTION)
        counts.append(_counts(refiner, maps.samples, draw.held_out, batch_size, plan.tiles))
    measured = _table(maps.samples, draw, methods, np.stack(counts, axis=1))
    measured.attrs = {SECONDS: round(seconds, 2), UNCHANGED: unchanged}
    return measured


def _counts(refiner: Refiner, samples: Samples, held_out: np.ndarray, batch_size: int, tiles: Tiles) -> np.ndarray:
    """Counts of a refiner's masks, int64 (maps, 6)."""
    counted = []
    for rows in shards(held_out, samples.maps_per_image):
        found = _masks(refiner, samples, rows, batch_size, tiles).masks
        masks = samples.array("masks", rows)
        for alike, region in samples.regions(rows):
            truth, mask = (maps[alike] if region is None else region.of(maps[alike]) for maps in (masks, found))
            counted.append(TruthCounter(truth).count(mask))
    return np.concatenate(counted)


def _masks(refiner: Refiner, samples: Samples, rows: np.ndarray, batch_size: int, tiles: Tiles) -> Prediction:
    logits = np.concatenate(list(predict_logits(refiner, samples, rows, refiner.arrays, batch_size, tiles)))
    logits, classes = logits.astype(np.float32), samples.maps_per_image
    predict = REFINED.predict if classes == 1 else REFINED.predict_classes
    assert predict is not None
    untuned = Tuned({"base": [0.5] * classes}, patch_size=1)  # of which only the number of classes is used
    prediction = predict(MapBatch(logits, logits, np.empty(0)), untuned)
    assert prediction is not None
    return prediction


def _table(samples: Samples, draw: LabelDraw, methods: list[str], counts: np.ndarray) -> pd.DataFrame:
    """Counts int64 (maps, methods, 6) with what identifies their maps."""
    names = [name for name in ("sample_id", "group", "class_id") if name in samples.manifest]
    rows = samples.manifest.iloc[np.repeat(draw.held_out, len(methods))][names].reset_index(drop=True)
    rows.attrs = {}
    rows[METHOD] = methods * len(draw.held_out)
    rows[list(COLUMNS)] = counts.reshape(-1, len(COLUMNS))
    return rows
