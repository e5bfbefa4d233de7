"""The one training loop, for base models and refiners."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from prn_pipeline.processes.locks import checkpoint_lock
from prn_pipeline.training.checkpoints import LAST, damage, names_that_differ
from prn_pipeline.training.distributed.topology import ProcessTopology
from prn_pipeline.training.job import TrainingJob, TrainingResult
from prn_pipeline.training.settings import TrainingSettings

if TYPE_CHECKING:
    from prn_pipeline.training.callbacks import EpochListener
    from prn_pipeline.training.samples import TrainingSet
    from prn_pipeline.training.task import Objective

logger = logging.getLogger(__name__)


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
    """Train a network. A call with the same `checkpoints` resumes an interrupted one.

    With several processes or nodes in `settings`, all arguments but `listener` must be picklable by `cloudpickle`.

    Args:
        build: makes the network; called under the seed.
        objective: loss and logits of a batch.
        train: samples to learn from.
        val: samples to validate every epoch on and choose the best epoch by; None: the last weights are kept.
        settings: optimizer, schedule, precision, ...
        seed: seed of initial weights, order of samples and augmentation. The same seed on the same machine gives the
            same result, interrupted or not. (Several processes do not resume their random state.)
        checkpoints: folder of this training alone; removed when the training has finished. Name it after everything
            that defines the training, so that no training resumes from a checkpoint of other settings.
        name: name of the training in the log.
        listener: called after every epoch.

    Raises:
        UserError: weights became NaN or infinite, or a training process was killed.
    """
    # Imported here because loading Lightning takes seconds, and stages import this module that train nothing.
    from prn_pipeline.training.processes.starting import train_in_processes
    from prn_pipeline.training.trainer import train_in_this_process

    job = TrainingJob(build, objective, train, val, settings, seed, checkpoints, name)
    # The nodes of one training share its checkpoints, so they cannot lock each other out.
    with nullcontext() if settings.nodes > 1 else checkpoint_lock(checkpoints):
        _remove_if_unusable(checkpoints, build)
        if settings.processes * settings.nodes > 1:
            result = train_in_processes(job, listener)
        else:
            result = train_in_this_process(job, listener, ProcessTopology.single_process(settings))
        shutil.rmtree(checkpoints, ignore_errors=True)
    return result


def _remove_if_unusable(folder: Path, build: Callable[[], nn.Module]) -> None:
    """Remove checkpoints that have changed since they were written, are half a file of a killed run, or hold another
    network than `build` makes, as after an update of a package."""
    last = folder / LAST
    if not last.is_file():
        return
    for checkpoint in folder.glob("*.ckpt"):
        if (found := damage(checkpoint)) is not None:
            _remove(folder, f"checkpoint {checkpoint} cannot be read ({found})")
            return
    try:
        stored = torch.load(last, map_location="cpu", weights_only=False)
        epoch, weights = stored["epoch"], stored["state_dict"]
    except Exception as error:
        _remove(folder, f"checkpoint {last} cannot be read ({error})")
        return
    if differing := names_that_differ(weights, build()):
        _remove(folder, f"checkpoint {last} holds another network, which differs in {differing[0]}")
        return
    logger.info("continuing from %s after epoch %d", last, epoch + 1)


def _remove(folder: Path, reason: str) -> None:
    logger.warning("%s: training starts from the beginning", reason)
    shutil.rmtree(folder)
