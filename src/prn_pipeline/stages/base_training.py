"""Training of base models: one on train, and one per fold for out-of-fold maps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel
from torch import nn

from prn_pipeline.data.augmentation.settings import AugmentationSettings
from prn_pipeline.data.episodes import CATEGORY, draw_episodes
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.network_source import NetworkSource
from prn_pipeline.segmentation.protocol import MapSourceSettings, TrainableSource
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.training.channels import channels_first
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.episodes import Episodes
from prn_pipeline.training.job import TrainingResult
from prn_pipeline.training.loop import fit
from prn_pipeline.training.samples import StoredSamples, TrainingSet
from prn_pipeline.training.settings import TrainingSettings

if TYPE_CHECKING:
    from prn_pipeline.training.callbacks import EpochListener

#: Images whose output is looked at before a network is trained or used.
CHECKED_IMAGES = 8

ARRAYS = {"inputs": "images", "masks": "masks"}


def train_base_model(
    samples: Samples,
    model: MapSourceSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None = None,
) -> TrainingResult:
    """Train on split train; val selects the best epoch. A model not trained here is returned without a history."""
    if not model.trained_here:
        return _untrained(samples, model)
    return _train(
        samples, samples.rows(["train"]), samples.rows(["val"]), "base", model, settings, seed, checkpoints, listener
    )


def train_fold_models(
    samples: Samples,
    model: MapSourceSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    folds: Iterable[int],
    epochs: int,
    listener: EpochListener | None = None,
) -> dict[str, TrainingResult]:
    """Train one model per fold, on all other folds of train + val.

    The fold itself is not used, not even to select an epoch, so that its maps are of the same quality as maps of new
    images. The last weights are kept. A training that ends, or lowers its rate, by what it validates takes as many
    epochs as the final base model took (`epochs`), at a rate that falls along a cosine.
    """
    row_folds = samples.manifest["fold"].to_numpy()
    learning = samples.rows(["train", "val"])
    settings = settings.unvalidated(epochs)
    trained = {}
    for fold in folds:
        rows = learning[row_folds[learning] != fold]
        name = f"fold-{fold}"
        trained[name] = _train(samples, rows, None, name, model, settings, seed, checkpoints, listener)
    return trained


def _untrained(samples: Samples, settings: MapSourceSettings) -> TrainingResult:
    source = build_base_model(settings)
    for side in sorted(set(samples.canvas.shape)):
        source.check_size(side)
    _check_output(source, samples, np.arange(len(samples.manifest)))
    return TrainingResult(source.eval(), pd.DataFrame(columns=["epoch"]))


def _check_output(source: object, samples: Samples, rows: np.ndarray) -> None:
    """Raise UserError if a network's output for some images is not what its settings say."""
    if isinstance(source, NetworkSource):
        some = rows[np.unique(np.linspace(0, len(rows) - 1, CHECKED_IMAGES).round().astype(int))]
        source.check_output(channels_first(torch.from_numpy(samples.array("images", some))))


def _train(
    samples: Samples,
    rows: np.ndarray,
    validation: np.ndarray | None,
    name: str,
    model: MapSourceSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None,
) -> TrainingResult:
    probe = cast(TrainableSource, build_base_model(model, pretrained=False))
    sides = set(samples.canvas.shape)
    for seen in sides | {settings.augmentation.crop or side for side in sides}:
        probe.check_size(seen)
    side: int | None = getattr(model, "input_size", None)
    _check_output(probe, samples, rows)

    def training_set(chosen: np.ndarray, augmentation: AugmentationSettings | None, fixed: bool) -> TrainingSet:
        stored = StoredSamples(samples, chosen, ARRAYS, augmentation, memory=settings.memory_bytes, side=side)
        return _episodes(stored, samples.manifest.iloc[chosen], model, fixed) if model.needs_support else stored

    return fit(
        lambda: cast(nn.Module, build_base_model(model)),
        probe.objective(),
        training_set(rows, settings.augmentation, fixed=False),
        None if validation is None else training_set(validation, None, fixed=True),
        settings,
        seed,
        checkpoint_folder(checkpoints, samples, name, seed, cast(BaseModel, model), settings),
        name,
        listener,
    )


def _episodes(stored: StoredSamples, manifest: pd.DataFrame, model: Any, fixed: bool) -> Episodes:
    """Queries with support images of their category; with `fixed`, the same support in every epoch."""
    ids, categories = manifest["sample_id"].tolist(), manifest[CATEGORY].to_numpy()
    drawn = draw_episodes(ids, categories.tolist(), model.shots, model.episodes_seed)
    return Episodes(stored, categories, model.shots, drawn if fixed else None)
