"""Which weights a training keeps: those of its best epoch, or the initial ones if no epoch was better."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from prn_pipeline.errors import UserError
from prn_pipeline.training.checkpoints import LAST, damage
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import SegmentationTask

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitialState:
    """Weights before the first epoch, and their validation metrics."""

    weights: dict[str, torch.Tensor]
    metrics: dict[str, float]


def initial_state(
    task: SegmentationTask, batches: DataLoader[dict[str, torch.Tensor]], trainer_arguments: dict[str, Any]
) -> InitialState:
    """Validate the untrained network.

    Args:
        task: holds the network.
        batches: of the validation set.
        trainer_arguments: device, precision and strategy of Lightning's trainer.
    """
    weights = copy.deepcopy(task.network.state_dict())
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    metrics = pl.Trainer(**trainer_arguments, **quiet).validate(task, batches, verbose=False)[0]
    return InitialState(weights, {name: float(value) for name, value in metrics.items()})


def load_best(task: SegmentationTask, best: ModelCheckpoint, initial: InitialState | None) -> None:
    """Load the weights of the best epoch, or the initial ones if no epoch was better.

    Raises:
        UserError: their checkpoint has changed since it was written.
    """
    if initial is not None and best.monitor is not None and best.best_model_score is not None:
        gain = float(best.best_model_score) - initial.metrics[best.monitor]
        if gain <= 0 if best.mode == "max" else gain >= 0:
            logger.info("no epoch improved the untrained network: keeping its initial weights")
            task.network.load_state_dict(initial.weights)
            return
    if (found := damage(Path(best.best_model_path))) is not None:
        raise UserError(f"{best.best_model_path} is damaged ({found}): check the disk, and run the training again")
    task.load_state_dict(torch.load(best.best_model_path, map_location="cpu", weights_only=False)["state_dict"])


def best_checkpoint(folder: Path, settings: TrainingSettings, validated: bool) -> ModelCheckpoint:
    """Callback that saves the best epoch by `settings.monitor`; without validation, the last epoch."""
    return ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=settings.monitor if validated else None,
        mode="max" if settings.monitor == "val_iou_micro" else "min",
        save_top_k=1,
        save_last=not validated,
        enable_version_counter=False,
        auto_insert_metric_name=False,
    )


def last_checkpoint(folder: Path) -> ModelCheckpoint:
    """Callback that saves every epoch as the one to resume from; Lightning's `save_last` saves only improvements."""
    return ModelCheckpoint(dirpath=folder, filename=Path(LAST).stem, save_top_k=1, enable_version_counter=False)
