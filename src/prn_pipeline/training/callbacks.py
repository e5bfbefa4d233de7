"""Callbacks of the training loop: history, random state, SIGTERM, and the paper's plateau rule."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from prn_pipeline.processes.work_progress import report_step

logger = logging.getLogger(__name__)

#: Called after every epoch with its number, from 1, and its metrics.
EpochListener = Callable[[int, dict[str, float]], None]

COLUMNS = ("train_loss", "val_loss", "val_iou_micro", "learning_rate", "seconds")


def epoch_line(name: str, epoch: int, epochs: int | None, metrics: dict[str, float]) -> str:
    """The log line of an epoch."""
    shown = "  ".join(f"{column} {metrics[column]:.4f}" for column in COLUMNS[:3] if column in metrics)
    return f"{name}  epoch {epoch}/{epochs}  {shown}  {metrics['seconds']:.1f} s"


class History(Callback):
    """Records one row of metrics per epoch, calls the listener, and resumes with its rows."""

    def __init__(self, name: str, listener: EpochListener | None) -> None:
        self.rows: list[dict[str, float]] = []
        self._name = name
        self._listener = listener
        self._started = 0.0
        self._rate = math.nan

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the epoch; Lightning has validated it by now."""
        metrics = {name: float(trainer.callback_metrics[name]) for name in COLUMNS if name in trainer.callback_metrics}
        metrics |= {"learning_rate": self._rate, "seconds": time.perf_counter() - self._started}
        epoch = trainer.current_epoch + 1
        self.rows.append({"epoch": epoch, **metrics})
        if trainer.is_global_zero:
            logger.info(epoch_line(self._name, epoch, trainer.max_epochs, metrics))
            if self._listener:
                self._listener(epoch, metrics)

    def state_dict(self) -> dict[str, Any]:
        """The rows so far, for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows from before the interruption."""
        self.rows = list(state_dict["rows"])


class StepReport(Callback):
    """Reports the steps of a training, of the largest number that there can be: early stopping may end it sooner."""

    def __init__(self, name: str) -> None:
        self._name = name

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the step."""
        if trainer.is_global_zero:
            batches = int(trainer.num_training_batches)
            done = trainer.current_epoch * batches + batch_idx + 1
            report_step(f"training of {self._name}", done, (trainer.max_epochs or 0) * batches)


class RngStateCallback(Callback):
    """Saves the state of torch's CPU generator, so that a resumed training draws the same random numbers.

    For a training in one process. Each of several processes has a generator of its own, and the checkpoint holds the
    state of rank 0 only.
    """

    def state_dict(self) -> dict[str, Any]:
        """The state of the global generator, for the checkpoint."""
        return {"torch": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state of the global generator."""
        torch.set_rng_state(state_dict["torch"])


class DefaultSigterm(Callback):
    """Lets SIGTERM end one of several training processes at once, as it does by default.

    Lightning's own handler starts a collective operation (Lightning-AI/pytorch-lightning#20825). It deadlocks if the
    signal interrupts the processes in different operations, until the launcher kills them after 30 s.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Replace the handler that Lightning has just installed; Lightning restores the original one in the end."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class RestoreBestOnPlateau(Callback):
    """The plateau rule of the paper's script.

    After `patience` epochs without gain it restores the best weights and divides the learning rate by `divisor`, which
    is 1.1 there.
    """

    def __init__(self, checkpoint: ModelCheckpoint, monitor: str, patience: int, divisor: float) -> None:
        self._checkpoint = checkpoint
        self._divisor = divisor
        self._monitor = monitor
        self._patience = patience
        self._best = -math.inf
        self._waited = 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count epochs without gain; restore after `patience` of them.

        The best checkpoint is older than the epochs without gain, so it is on disk by now.
        """
        value = float(trainer.callback_metrics[self._monitor])
        value = -value if self._checkpoint.mode == "min" else value
        if value > self._best:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited % self._patience == 0:
            state = torch.load(self._checkpoint.best_model_path, map_location=pl_module.device, weights_only=False)
            pl_module.load_state_dict(state["state_dict"])
            for group in trainer.optimizers[0].param_groups:
                group["lr"] /= self._divisor

    def state_dict(self) -> dict[str, Any]:
        """The best value and the count of epochs without gain, for the checkpoint."""
        return {"best": self._best, "waited": self._waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best value and the count."""
        self._best, self._waited = state_dict["best"], state_dict["waited"]
