"""Fine-tuning under domain shift: train the base model itself on the few labelled images of the new domain."""

from __future__ import annotations

import copy
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from benchmarks.stored_runs import counts_of, open_base, open_samples
from prn_pipeline.data.splits.assignment import assign_folds
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.bootstrap import interval, paired_gain
from prn_pipeline.metrics.scores import iou
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "images", "masks": "masks"}
#: Learning rates tried by cross-validation on the labelled images; the best one then trains on all of them.
RATES = (0.0003, 0.001)
PARTS = 2
RESAMPLES = 2000


@dataclass(frozen=True)
class FineTuned:
    """Scores of the base model before and after, and the seconds of the last training alone."""

    scores: dict[str, Any]
    learning_rate: float
    seconds: float


def fine_tune(dataset: str, base_model: str, seed: int, steps: int) -> FineTuned:
    """All weights of a trained base model, on the images of val; measured on test.

    Args:
        dataset: name of a data set for which ingestion and base_training have run.
        base_model: name of the base model.
        seed: of the base model, and of the training.
        steps: of 8 images each.
    """
    samples, model = open_samples(dataset), open_base(dataset, base_model, seed)
    val, test = samples.rows(["val"]), samples.rows(["test"])
    rate = max(RATES, key=lambda rate: _left_out_iou(model, samples, val, rate, steps, seed))
    start = time.perf_counter()
    tuned = _trained(model, samples, val, rate, steps, seed)
    seconds = time.perf_counter() - start
    before, after = (counts_of(network, samples, test, ("images",)) for network in (model, tuned))
    found = {
        "n_val": len(val),
        "n_test": len(test),
        "methods": {
            name: {
                "iou_micro": float(iou(counts.sum(0))),
                "iou_macro": float(iou(counts).mean()),
                "iou_micro_ci95": interval(counts, RESAMPLES, seed),
            }
            for name, counts in (("base", before), ("fine_tuned", after))
        },
        "gain": {"vs_base": paired_gain(after, before, RESAMPLES, seed)}
        | {"images_worse_pct": float(100 * np.mean(iou(after) < iou(before)))},
    }
    return FineTuned(found, rate, seconds)


def _left_out_iou(model: nn.Module, samples: Samples, rows: np.ndarray, rate: float, steps: int, seed: int) -> float:
    """iou_micro over `rows`, each part of which is left out of one training."""
    some = samples.manifest.iloc[rows]
    part_of = assign_folds(dict(zip(some["sample_id"], some["group"], strict=True)), PARTS, seed=0)
    parts = np.array([part_of[sample_id] for sample_id in some["sample_id"]])
    counted = []
    for part in range(PARTS):
        tuned = _trained(model, samples, rows[parts != part], rate, steps, seed)
        counted.append(counts_of(tuned, samples, rows[parts == part], ("images",)))
    return float(iou(np.concatenate(counted).sum(0)))


def _trained(model: nn.Module, samples: Samples, rows: np.ndarray, rate: float, steps: int, seed: int) -> nn.Module:
    settings = TrainingSettings.model_validate(
        {"epochs": 1, "steps_per_epoch": steps, "batch_size": 8, "learning_rate": rate, "weight_decay": 0.01}
        | {"schedule": "one_cycle", "augmentation": {"flips": True, "turns": True, "brightness": 0.2, "contrast": 0.2}}
    )
    with tempfile.TemporaryDirectory() as checkpoints:
        return fit(
            lambda: copy.deepcopy(model),
            MaskObjective(model.settings.loss),  # type: ignore[union-attr, arg-type]
            StoredSamples(samples, rows, ARRAYS, settings.augmentation, memory=settings.memory_bytes),
            None,
            settings,
            seed,
            Path(checkpoints) / "fine_tuning",
            "fine-tuning",
        ).network
