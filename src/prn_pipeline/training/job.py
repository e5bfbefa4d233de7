"""A training as one thing, which can be written to a file and done by other processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import nn

from prn_pipeline.training.samples import TrainingSet
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.task import Objective


@dataclass(frozen=True)
class Training:
    """What `loop.fit` is told; see there."""

    build: Callable[[], nn.Module]
    objective: Objective
    train: TrainingSet
    val: TrainingSet | None
    settings: TrainingSettings
    seed: int
    checkpoints: Path
    name: str


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training.

    Attributes:
        network: on the CPU, in eval mode, with its best weights; its last ones where `keep` says so, or where there was
            nothing to validate on.
        history: one row an epoch: epoch, train_loss, val_loss, val_iou_micro, learning_rate, seconds.
    """

    network: nn.Module
    history: pd.DataFrame
