"""The honest rival where the world has moved: train the base model itself on the few labelled images of the new one."""

from __future__ import annotations

import copy
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from prn_pipeline.data.array_store import shards
from prn_pipeline.data.sample_store import Samples
from prn_pipeline.data.splits import assign_folds
from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import TableDataset
from prn_pipeline.io.modules import ModuleDataset
from prn_pipeline.metrics import TruthCounter, interval, iou, paired_gain
from prn_pipeline.segmentation import MaskObjective
from prn_pipeline.training import TrainingSettings
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples

ARRAYS = {"inputs": "images", "masks": "masks"}
#: Tried on parts of the labelled images; the best is trained on all of them.
RATES = (0.0003, 0.001)
PARTS = 2
RESAMPLES = 2000


@dataclass(frozen=True)
class FineTuned:
    """Scores of the base model before and after, and the seconds of the last training alone."""

    scores: dict[str, Any]
    learning_rate: float
    seconds: float


def fine_tune(data: Path, dataset: str, base_model: str, seed: int, steps: int) -> FineTuned:
    """All weights of a trained base model, on the images of val; measured on test.

    Args:
        data: the project's folder `data`, where ingestion and base_training have run.
        dataset: name of the data set.
        base_model: name of the base model.
        seed: of the base model, and of the training.
        steps: of 8 images each.
    """
    folder = data / "02_intermediate" / dataset
    manifest = TableDataset(filepath=str(folder / "manifest.parquet")).load()
    samples = Samples(manifest, {"samples": ArrayStoreDataset(filepath=str(folder / "samples.zarr")).load()})
    weights = data / "06_models" / dataset / base_model / f"seed-{seed}" / "base.safetensors"
    model = ModuleDataset(filepath=str(weights), kind="base_model").load()
    val, test = samples.rows(["val"]), samples.rows(["test"])
    rate = max(RATES, key=lambda rate: _left_out_iou(model, samples, val, rate, steps, seed))
    start = time.perf_counter()
    tuned = _trained(model, samples, val, rate, steps, seed)
    seconds = time.perf_counter() - start
    before, after = (_counts(network, samples, test) for network in (model, tuned))
    found = {
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
        counted.append(_counts(tuned, samples, rows[parts == part]))
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


def _counts(network: nn.Module, samples: Samples, rows: np.ndarray) -> np.ndarray:
    counted = []
    for part in shards(rows):
        logits = np.concatenate(list(predict_logits(network, samples, part, ["images"], 16)))
        counted.append(TruthCounter(samples.array("masks", part)).count(logits > 0))
    return np.concatenate(counted)
