"""A training and its result as values that can be passed to other processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from torch import nn

from prn_pipeline.training.settings import TrainingSettings

if TYPE_CHECKING:
    from prn_pipeline.training.samples import TrainingSet
    from prn_pipeline.training.task import Objective


@dataclass(frozen=True)
class TrainingJob:
    """The arguments of `loop.fit`, which describes them."""

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
    """What a training returns.

    Attributes:
        network: on the CPU, in eval mode, with the weights of its best epoch, or of its last one if `keep` is "last" or
            there was no validation set.
        history: one row per epoch, with the columns epoch, train_loss, val_loss, val_iou_micro, learning_rate and
            seconds.
    """

    network: nn.Module
    history: pd.DataFrame
