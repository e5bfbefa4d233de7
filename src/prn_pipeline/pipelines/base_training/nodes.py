"""Train the base model, and with protocol crossfit one model per fold for out-of-fold maps."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.registry import read_base_settings
from prn_pipeline.stages.base_training import train_base_model, train_fold_models
from prn_pipeline.tracking.epochs import log_epoch
from prn_pipeline.training.settings import TrainingSettings


def train_base(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    model: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    checkpoints: str,
) -> tuple[nn.Module, pd.DataFrame]:
    """The final base model, trained on train, with its best epoch selected on val; and its history."""
    trained = train_base_model(
        Samples(manifest, {"samples": samples}),
        read_base_settings(model),
        TrainingSettings.model_validate(training),
        seed,
        Path(checkpoints),
        log_epoch,
    )
    return trained.network, trained.history


def train_folds(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    model: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    checkpoints: str,
    protocol: str,
    base_history: pd.DataFrame,
) -> tuple[dict[str, nn.Module], pd.DataFrame]:
    """With protocol crossfit, one model per fold, trained on the other folds; with holdout, none."""
    folds = sorted(set(manifest["fold"]) - {-1}) if protocol == "crossfit" else []
    trained = train_fold_models(
        Samples(manifest, {"samples": samples}),
        read_base_settings(model),
        TrainingSettings.model_validate(training),
        seed,
        Path(checkpoints),
        folds,
        len(base_history),
        log_epoch,
    )
    histories = [result.history.assign(model=name) for name, result in trained.items()]
    history = pd.concat(histories) if histories else pd.DataFrame(columns=["epoch", "train_loss", "model"])
    return {name: result.network for name, result in trained.items()}, history
