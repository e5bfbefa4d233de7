"""The one training loop, for base models and for PRN."""

from __future__ import annotations

import copy
import logging
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import lightning.pytorch as pl
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from torch import nn

from prn_pipeline.errors import UserError
from prn_pipeline.processes.training_signals import lightning_shutdown
from prn_pipeline.training.allocator import keep_freed_memory
from prn_pipeline.training.best_weights import Untrained, best_checkpoint, keep_best, last_checkpoint, validated_metrics
from prn_pipeline.training.callbacks import EpochListener, History, RestoreBestOnPlateau, RngStateCallback
from prn_pipeline.training.checkpoints import checkpoint_lock
from prn_pipeline.training.distributed_batches import SharedTask, share_batch_norms, shared_loader
from prn_pipeline.training.job import TrainingResult, Training
from prn_pipeline.training.process_topology import ProcessTopology
from prn_pipeline.training.processes import train_by_processes
from prn_pipeline.training.samples import TrainingSet, loader
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import Objective, SegmentationTask

logger = logging.getLogger(__name__)
#: Loggers whose INFO is advice to programmers. Importing any of these packages, even late, sets its level anew.
CHATTY = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")

#: Name that Lightning gives the newest checkpoint.
LAST = "last.ckpt"


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
) -> TrainingResult:
    """Train a network; an interrupted call is continued by the next one with the same `checkpoints`.

    Args:
        build: makes the network; called under the seed.
        objective: loss and logits of a batch.
        train: samples to learn from.
        val: samples to measure every epoch by, and choose the best, or None: the last weights are kept.
        settings: optimizer, schedule, precision, ...
        seed: of initial weights, order of samples and augmentation. Same seed, same machine, same result,
            interrupted or not (several processes draw anew when they are continued).
        checkpoints: folder for this training alone; removed when it ends well. Name it after everything that
            defines the training, so that a checkpoint is never continued under other settings.
        name: for the log.
        listener: told of every epoch.

    With `settings.processes` or `nodes` it is done by that many processes, and all of the above has to be fit for
    `cloudpickle`.

    Raises:
        UserError: the loss became NaN or infinite; a process was killed.
    """
    training = Training(build, objective, train, val, settings, seed, checkpoints, name)
    with nullcontext() if settings.nodes > 1 else checkpoint_lock(checkpoints):  # nodes do one training, and meet in it
        _check(checkpoints / LAST)
        if settings.processes * settings.nodes > 1:
            trained = train_by_processes(training, listener)
        else:
            trained = train_here(training, listener, ProcessTopology.alone(settings))
        shutil.rmtree(checkpoints, ignore_errors=True)
    return trained


def train_here(training: Training, listener: EpochListener | None, topology: ProcessTopology) -> TrainingResult:
    """`fit` in this process: alone, or as one of several, of which the first has the result."""
    val, settings, seed = training.val, training.settings, training.seed
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    pl.seed_everything(seed, workers=True, verbose=False)
    if topology.device.type == "cpu":
        keep_freed_memory()
    batches = shared_loader if topology.shared else loader
    network = training.build()
    if topology.shared:
        task: SegmentationTask = SharedTask(share_batch_norms(network, topology.device), training.objective, settings)
    else:
        task = SegmentationTask(network, training.objective, settings)
    val_batches = None if val is None else batches(val, settings, False)
    history = History(training.name, listener)
    best = best_checkpoint(training.checkpoints, settings, validated=val is not None)
    untrained = None
    if settings.keep_untrained and val_batches is not None:
        weights = copy.deepcopy(task.network.state_dict())
        with lightning_shutdown():
            untrained = Untrained(weights, validated_metrics(task, val_batches, topology.trainer(settings)))
    # Whatever was drawn to build and validate the network; each process augments in its own way.
    pl.seed_everything(seed + topology.rank, workers=True, verbose=False)
    last = training.checkpoints / LAST
    trainer = pl.Trainer(
        **topology.trainer(settings),
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_clip or None,
        deterministic="warn",
        callbacks=_callbacks(
            settings, best, [history] if topology.shared else [history, RngStateCallback()], val is not None
        ),
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    with warnings.catch_warnings(), lightning_shutdown():
        warnings.filterwarnings("ignore", module="lightning")  # advice on worker counts, which are a setting here
        trainer.fit(
            task,
            batches(training.train, settings, True),
            val_batches,
            ckpt_path=last if last.is_file() else None,
            weights_only=False,  # written by this function into a folder of its own
        )
    if trainer.interrupted:  # a Lightning that returns where others exit: half a training is none
        raise KeyboardInterrupt
    if val is not None and settings.keep == "best":
        keep_best(task, best, untrained)
    if not all(torch.isfinite(parameter).all() for parameter in task.network.parameters()):
        raise UserError(
            f"{training.name}: weights are not finite after training: lower learning_rate or set precision: fp32"
        )
    return TrainingResult(task.network.cpu().eval(), pd.DataFrame(history.rows))


def _callbacks(
    settings: TrainingSettings, best: ModelCheckpoint, always: list[Callback], validated: bool
) -> list[Callback]:
    callbacks = [*always]
    if settings.early_stop_patience and validated:
        mode = "max" if settings.monitor == "val_iou_micro" else "min"
        callbacks.append(EarlyStopping(settings.monitor, patience=settings.early_stop_patience, mode=mode))
    if settings.schedule == "plateau" and validated:
        callbacks.append(RestoreBestOnPlateau(best, settings.monitor, settings.plateau_patience))
    if sys.stderr.isatty():
        callbacks.append(TQDMProgressBar(leave=False))
    return [*callbacks, best, last_checkpoint(Path(best.dirpath or "."))] if validated else [*callbacks, best]


def _check(checkpoint: Path) -> None:
    """Remove a checkpoint that cannot be read: a run killed while writing leaves half a file."""
    if not checkpoint.is_file():
        return
    try:
        epoch = torch.load(checkpoint, map_location="cpu", weights_only=False)["epoch"]
    except Exception as error:
        logger.warning("checkpoint %s cannot be read (%s): training starts anew", checkpoint, error)
        shutil.rmtree(checkpoint.parent)
        return
    logger.info("continuing from %s after epoch %d", checkpoint, epoch + 1)
