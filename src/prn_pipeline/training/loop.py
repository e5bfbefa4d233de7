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
from prn_pipeline.training.allocator import keep_freed_memory
from prn_pipeline.training.best_weights import Untrained, best_checkpoint, keep_best, validated_metrics
from prn_pipeline.training.callbacks import EpochListener, History, ReturnToBest
from prn_pipeline.training.precision import best_device, lightning_precision
from prn_pipeline.training.samples import TrainingSet, loader
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import Objective, SegmentationTask

logger = logging.getLogger(__name__)
#: Loggers whose INFO is advice to programmers. Importing any of these packages, even late, sets its level anew.
CHATTY = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")

#: Name that Lightning gives the newest checkpoint.
LAST = "last.ckpt"


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Attributes:
        network: on the CPU, in eval mode, with its best weights; its last ones where `keep` says so, or where there was
            nothing to validate on.
        history: one row an epoch: epoch, train_loss, val_loss, val_iou_micro, learning_rate, seconds.
    """

    network: nn.Module
    history: pd.DataFrame


def fit(
    build: Callable[[], nn.Module],
    objective: Objective,
    train: TrainingSet,
    val: TrainingSet | None,
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
        val: samples to measure every epoch by, and choose the best, or None: the last weights are kept.
        settings: optimizer, schedule, precision, ...
        seed: of initial weights, order of samples and augmentation. Same seed, same machine, same result.
        checkpoints: folder for this training alone; removed when it ends well. Name it after everything that
            defines the training, so that a checkpoint is never continued under other settings.
        name: for the log.
        listener: told of every epoch.

    Raises:
        UserError: the loss became NaN or infinite.
    """
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    pl.seed_everything(seed, workers=True, verbose=False)
    device = best_device(settings.accelerator)
    if device.type == "cpu":
        keep_freed_memory()
    task = SegmentationTask(build(), objective, settings)
    history = History(name, listener)
    best = best_checkpoint(checkpoints, settings, validated=val is not None)
    untrained = None
    if settings.keep_untrained and val is not None:
        untrained = Untrained(copy.deepcopy(task.network.state_dict()), validated_metrics(task, val, settings, device))
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
    if val is not None and settings.keep == "best":
        keep_best(task, best, untrained)
    if not all(torch.isfinite(parameter).all() for parameter in task.network.parameters()):
        raise UserError(f"{name}: weights are not finite after training: lower learning_rate or set precision: fp32")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Trained(task.network.cpu().eval(), pd.DataFrame(history.rows))


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
