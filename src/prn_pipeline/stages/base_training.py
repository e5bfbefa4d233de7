"""Training of base models: one on train, and one a fold for out-of-fold maps."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from prn_pipeline.data.episodes import CATEGORY, draw_episodes
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation import (
    AnyBaseModelSettings,
    FewShotSettings,
    ImportedModel,
    MapFiles,
    MapFilesSettings,
    build_base_model,
)
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.training.callbacks import EpochListener
from prn_pipeline.training.checkpoints import checkpoint_folder
from prn_pipeline.training.episodes import Episodes
from prn_pipeline.training.inference import WHOLE_OR_TILES
from prn_pipeline.training.loop import Trained, fit
from prn_pipeline.training.samples import StoredSamples, TrainingSet
from prn_pipeline.training.settings import TrainingSettings

ARRAYS = {"inputs": "images", "masks": "masks"}


def train_base_model(
    samples: Samples,
    model: AnyBaseModelSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None = None,
) -> Trained:
    """Train on split train; val chooses the best epoch. What is not trained here comes as it is, with no history."""
    if not model.trained_here:
        return Trained(_untrained(samples, model), pd.DataFrame(columns=["epoch"]))
    return _train(
        samples, samples.rows(["train"]), samples.rows(["val"]), "base", model, settings, seed, checkpoints, listener
    )


def train_fold_models(
    samples: Samples,
    model: AnyBaseModelSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    folds: Iterable[int],
    listener: EpochListener | None = None,
) -> dict[str, Trained]:
    """For each fold a model that learns from all other folds of train + val.

    The fold itself is not looked at, not even to choose an epoch: its maps must be as good, or as bad, as maps of new
    images. So every epoch of the schedule is trained and the last weights are kept.
    """
    fold_of = samples.manifest["fold"].to_numpy()
    learning = samples.rows(["train", "val"])
    trained = {}
    for fold in folds:
        rows = learning[fold_of[learning] != fold]
        name = f"fold-{fold}"
        trained[name] = _train(samples, rows, None, name, model, settings, seed, checkpoints, listener)
    return trained


def _untrained(samples: Samples, model: AnyBaseModelSettings) -> nn.Module:
    network = build_base_model(model)
    if not isinstance(network, MapFiles):
        size = samples.store_of("images").shape("images")[1]
        network.check_size(min(size, WHOLE_OR_TILES.size))  # a pass through it: no larger than it will see
    return network.eval()


def _train(
    samples: Samples,
    rows: np.ndarray,
    validation: np.ndarray | None,
    name: str,
    model: AnyBaseModelSettings,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    listener: EpochListener | None,
) -> Trained:
    size = samples.store_of("images").shape("images")[1]
    assert not isinstance(model, MapFilesSettings)
    probe = build_base_model(model, pretrained=False)
    assert not isinstance(probe, MapFiles)
    for side in {size, settings.augmentation.crop or size}:
        probe.check_size(min(side, WHOLE_OR_TILES.size) if isinstance(probe, ImportedModel) else side)
    train = StoredSamples(samples, rows, ARRAYS, settings.augmentation, memory=settings.memory_bytes)
    val = None if validation is None else StoredSamples(samples, validation, ARRAYS, memory=settings.memory_bytes)
    return fit(
        partial(build_base_model, model),
        MaskObjective(model.loss, model.classes),
        _learned_from(train, samples, rows, model),
        None if val is None or validation is None else _learned_from(val, samples, validation, model, fixed=True),
        settings,
        seed,
        checkpoint_folder(checkpoints, samples, name, seed, model, settings),
        name,
        listener,
    )


def _learned_from(
    stored: StoredSamples, samples: Samples, rows: np.ndarray, model: AnyBaseModelSettings, fixed: bool = False
) -> TrainingSet:
    """The samples themselves, or episodes of them; `fixed`: the same ones in every epoch."""
    if not isinstance(model, FewShotSettings):
        return stored
    some = samples.manifest.iloc[rows]
    ids, categories = some["sample_id"].tolist(), some[CATEGORY].to_numpy()
    drawn = draw_episodes(ids, categories.tolist(), model.shots, model.episodes_seed)
    return Episodes(stored, categories, model.shots, drawn if fixed else None)
