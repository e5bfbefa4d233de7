"""The one training loop, for base models and for PRN."""

from __future__ import annotations

import copy
import logging
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch import nn

from prn_pipeline.errors import UserError
from prn_pipeline.training.callbacks import EpochListener, History, ReturnToBest
from prn_pipeline.training.precision import best_device, lightning_precision
from prn_pipeline.training.samples import StoredSamples, loader
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import Objective, SegmentationTask

logger = logging.getLogger(__name__)
for _chatty in ("lightning.pytorch", "lightning.fabric"):  # importing them sets INFO; the advice is not for our users
    logging.getLogger(_chatty).setLevel(logging.WARNING)

#: Name that Lightning gives the newest checkpoint.
LAST = "last.ckpt"


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes:
        network: on the CPU, in eval mode, with its best weights (its last ones when there was nothing to validate on).
        history: one row an epoch: epoch, train_loss, val_loss, val_iou_micro, learning_rate, seconds.
    """

    network: nn.Module
    history: pd.DataFrame


def fit(
    build: Callable[[], nn.Module],
    objective: Objective,
    train: StoredSamples,
    val: StoredSamples | None,
    settings: TrainingSettings,
    seed: int,
    checkpoints: Path,
    name: str = "training",
    listener: EpochListener | None = None,
) -> Trained:
    """Train a network; an interrupted call is continued by the next one with the same `checkpoints`.

    Args:
        build: makes the network; called under the seed.
        objective: loss and logits of a batch.
        train: samples to learn from.
        val: samples to choose the best epoch by, or None: every epoch is trained and the last weights are kept.
        settings: optimizer, schedule, precision, ...
        seed: of initial weights, order of samples and augmentation. Same seed, same machine, same result.
        checkpoints: folder for this training alone; removed when it ends well. Name it after everything that
            defines the training, so that a checkpoint is never continued under other settings.
        name: for the log.
        listener: told of every epoch.

    Raises:
        UserError: the loss became NaN or infinite.
    """
    pl.seed_everything(seed, workers=True, verbose=False)
    device = best_device(settings.accelerator)
    task = SegmentationTask(build(), objective, settings)
    history = History(name, listener)
    best = _best_checkpoint(checkpoints, settings, validated=val is not None)
    untrained = None
    if settings.keep_untrained and val is not None:
        untrained = _Untrained(copy.deepcopy(task.network.state_dict()), _validated(task, val, settings, device))
    pl.seed_everything(seed, workers=True, verbose=False)  # whatever was drawn to build and validate the network
    trainer = pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=1,
        max_epochs=settings.epochs,
        precision=lightning_precision(settings.precision, device),
        gradient_clip_val=settings.gradient_clip or None,
        deterministic="warn",
        callbacks=_callbacks(settings, best, history, validated=val is not None),
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")  # advice on worker counts, which are a setting here
        trainer.fit(
            task,
            loader(train, settings, shuffle=True),
            loader(val, settings, shuffle=False) if val is not None else None,
            ckpt_path=_usable(checkpoints / LAST),
            weights_only=False,  # written by this function into a folder of its own
        )
    if trainer.interrupted:
        raise KeyboardInterrupt
    if val is not None:
        _keep_best(task, best, untrained)
    if not all(torch.isfinite(parameter).all() for parameter in task.network.parameters()):
        raise UserError(f"{name}: weights are not finite after training: lower learning_rate or set precision: fp32")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Trained(task.network.cpu().eval(), pd.DataFrame(history.rows))


@dataclass(frozen=True)
class _Untrained:
    weights: dict[str, torch.Tensor]
    metrics: dict[str, float]


def _validated(
    task: SegmentationTask, val: StoredSamples, settings: TrainingSettings, device: torch.device
) -> dict[str, float]:
    """Validation metrics of the network as it is."""
    precision = lightning_precision(settings.precision, device)
    accelerator = "gpu" if device.type == "cuda" else "cpu"
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
    }
    trainer = pl.Trainer(accelerator=accelerator, devices=1, precision=precision, **quiet)  # type: ignore[arg-type]
    metrics = trainer.validate(task, loader(val, settings, shuffle=False), verbose=False)[0]
    return {name: float(value) for name, value in metrics.items()}


def _keep_best(task: SegmentationTask, best: ModelCheckpoint, untrained: _Untrained | None) -> None:
    """Load the weights of the best epoch, or those before the first if no epoch was better."""
    if untrained is not None and best.monitor is not None and best.best_model_score is not None:
        gain = float(best.best_model_score) - untrained.metrics[best.monitor]
        if gain <= 0 if best.mode == "max" else gain >= 0:
            logger.info("no epoch was better than the untrained network: it is kept as it was")
            task.network.load_state_dict(untrained.weights)
            return
    task.load_state_dict(torch.load(best.best_model_path, map_location="cpu", weights_only=False)["state_dict"])


def _best_checkpoint(folder: Path, settings: TrainingSettings, validated: bool) -> ModelCheckpoint:
    return ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=settings.monitor if validated else None,
        mode="max" if settings.monitor == "val_iou_micro" else "min",
        save_top_k=1,
        save_last=True,
        enable_version_counter=False,
        auto_insert_metric_name=False,
    )


def _callbacks(settings: TrainingSettings, best: ModelCheckpoint, history: History, validated: bool) -> list[Callback]:
    callbacks: list[Callback] = [history]
    if settings.early_stop_patience and validated:
        mode = "max" if settings.monitor == "val_iou_micro" else "min"
        callbacks.append(EarlyStopping(settings.monitor, patience=settings.early_stop_patience, mode=mode))
    if settings.schedule == "plateau" and validated:
        callbacks.append(ReturnToBest(best, settings.monitor, settings.plateau_patience))
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    return [*callbacks, best]


def _usable(checkpoint: Path) -> Path | None:
    """The checkpoint, if it can be read: a run killed while writing leaves half a file."""
    if not checkpoint.is_file():
        return None
    try:
        epoch = torch.load(checkpoint, map_location="cpu", weights_only=False)["epoch"]
    except Exception as error:
        logger.warning("checkpoint %s cannot be read (%s): training starts anew", checkpoint, error)
        shutil.rmtree(checkpoint.parent)
        return None
    logger.info("continuing from %s after epoch %d", checkpoint, epoch + 1)
    return checkpoint
