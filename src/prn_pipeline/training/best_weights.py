"""Which weights a training ends with: those of its best epoch, or the untrained ones if none was better."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import SegmentationTask

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Untrained:
    """Weights before the first epoch, and how they did on validation."""

    weights: dict[str, torch.Tensor]
    metrics: dict[str, float]


def validated_metrics(
    task: SegmentationTask, batches: DataLoader[dict[str, torch.Tensor]], topology: dict[str, Any]
) -> dict[str, float]:
    """Validation metrics of the network as it is; `topology` is told to Lightning's trainer."""
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    metrics = pl.Trainer(**topology, **quiet).validate(task, batches, verbose=False)[0]
    return {name: float(value) for name, value in metrics.items()}


def keep_best(task: SegmentationTask, best: ModelCheckpoint, untrained: Untrained | None) -> None:
    """Load the weights of the best epoch, or those before the first if no epoch was better."""
    if untrained is not None and best.monitor is not None and best.best_model_score is not None:
        gain = float(best.best_model_score) - untrained.metrics[best.monitor]
        if gain <= 0 if best.mode == "max" else gain >= 0:
            logger.info("no epoch was better than the untrained network: it is kept as it was")
            task.network.load_state_dict(untrained.weights)
            return
    task.load_state_dict(torch.load(best.best_model_path, map_location="cpu", weights_only=False)["state_dict"])


def best_checkpoint(folder: Path, settings: TrainingSettings, validated: bool) -> ModelCheckpoint:
    """Keeps the best epoch by `settings.monitor`; the last, which is what is continued from, without validation."""
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
    """Keeps the last epoch, to continue from, also where it was not the best: `save_last` would keep the best only."""
    return ModelCheckpoint(dirpath=folder, filename="last", save_top_k=1, enable_version_counter=False)
