"""A training in this process: Lightning's trainer with the callbacks that the settings ask for."""

from __future__ import annotations

import logging
import warnings
from contextlib import nullcontext
from pathlib import Path

import lightning.pytorch as pl
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from prn_pipeline.errors import UserError
from prn_pipeline.processes.lightning_shutdown import lightning_shutdown
from prn_pipeline.training.allocator import keep_freed_memory
from prn_pipeline.training.best_weights import best_checkpoint, initial_state, last_checkpoint, load_best
from prn_pipeline.training.callbacks import (
    DefaultSigterm,
    EpochListener,
    History,
    RestoreBestOnPlateau,
    RngStateCallback,
    StepReport,
)
from prn_pipeline.training.checkpoint_files import CheckpointFiles
from prn_pipeline.training.checkpoints import LAST
from prn_pipeline.training.core_threads import core_for_each_thread
from prn_pipeline.training.distributed.batch_norm import synchronize_batch_norms
from prn_pipeline.training.distributed.batches import distributed_loader
from prn_pipeline.training.distributed.task import DistributedTask
from prn_pipeline.training.distributed.topology import ProcessTopology
from prn_pipeline.training.job import TrainingJob, TrainingResult
from prn_pipeline.training.samples import loader
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import SegmentationTask

#: Loggers whose INFO messages are advice to programmers. Importing one of these packages, even late, resets its level.
CHATTY = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")


def train_in_this_process(
    job: TrainingJob, listener: EpochListener | None, topology: ProcessTopology
) -> TrainingResult:
    """Train in this process, alone or as one of several that all call this function.

    See `loop.fit` for the job, and for what is raised.
    """
    val, settings, seed = job.val, job.settings, job.seed
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    pl.seed_everything(seed, workers=True, verbose=False)
    if topology.device.type == "cpu":
        keep_freed_memory()
    make_loader = distributed_loader if topology.is_distributed else loader
    network = job.build()
    if topology.is_distributed:
        network = synchronize_batch_norms(network, topology.device)
        task: SegmentationTask = DistributedTask(network, job.objective, settings)
    else:
        task = SegmentationTask(network, job.objective, settings)
    val_batches = None if val is None else make_loader(val, settings, False)
    history = History(job.name, listener)
    best = best_checkpoint(job.checkpoints, settings, validated=val is not None)
    initial = None
    if settings.keep_untrained and val_batches is not None:
        with lightning_shutdown():
            initial = initial_state(task, val_batches, topology.trainer_arguments(settings))
    # Independent of what building and validating the network has drawn. Each process augments differently.
    pl.seed_everything(seed + topology.rank, workers=True, verbose=False)
    last = job.checkpoints / LAST
    always = [history, DefaultSigterm()] if topology.is_distributed else [history, RngStateCallback()]
    always.append(StepReport(job.name))
    trainer = pl.Trainer(
        **topology.trainer_arguments(settings),
        max_epochs=settings.epochs,
        gradient_clip_val=settings.gradient_clip or None,
        deterministic="warn",
        callbacks=_callbacks(settings, best, always, val is not None),
        plugins=[CheckpointFiles()],
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    # Not with workers, whose processes would all inherit the core of this thread.
    alone = topology.device.type == "cpu" and not topology.is_distributed and not settings.workers
    threads = core_for_each_thread() if alone else nullcontext()
    with warnings.catch_warnings(), lightning_shutdown(), threads:
        warnings.filterwarnings(
            "ignore", module="lightning"
        )  # advice on the number of workers, which is a setting here
        trainer.fit(
            task,
            make_loader(job.train, settings, True),
            val_batches,
            ckpt_path=last if last.is_file() else None,
            weights_only=False,  # trusted: this function wrote it, into a folder of its own
        )
    if trainer.interrupted:  # some versions of Lightning return after Ctrl-C: never mistake that for the end
        raise KeyboardInterrupt
    if val is not None and settings.keep == "best":
        load_best(task, best, initial)
    if not all(torch.isfinite(parameter).all() for parameter in task.network.parameters()):
        raise UserError(
            f"{job.name}: weights are not finite after training: lower learning_rate or set precision: fp32"
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
        patience, divisor = settings.plateau_patience, settings.plateau_divisor
        callbacks.append(RestoreBestOnPlateau(best, settings.monitor, patience, divisor))
    return [*callbacks, best, last_checkpoint(Path(best.dirpath or "."))] if validated else [*callbacks, best]
