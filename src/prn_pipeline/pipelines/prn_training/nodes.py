"""Train the refiner on cached maps and pseudo-labels."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from prn_pipeline.data.store.array_store import ArrayStore
from prn_pipeline.data.store.class_maps import map_samples
from prn_pipeline.refinement.protocol import BaseTraining, FittingPlan, LearningMaps
from prn_pipeline.refinement.registry import read_settings
from prn_pipeline.segmentation.protocol import MapSource
from prn_pipeline.stages.prn_training import train_refiner
from prn_pipeline.tracking.epochs import log_epoch
from prn_pipeline.training.settings import TrainingSettings
from prn_pipeline.training.tiling import Tiles


def train_prn(
    samples: ArrayStore,
    manifest: pd.DataFrame,
    logits: ArrayStore,
    map_manifest: pd.DataFrame,
    pseudo_labels: ArrayStore,
    base_model: MapSource,
    base_history: pd.DataFrame,
    refiner: dict[str, Any],
    training: dict[str, Any],
    base_training: dict[str, Any],
    seed: int,
    checkpoints: str,
    tiles: dict[str, int],
) -> tuple[nn.Module, pd.DataFrame]:
    """The trained refiner and its history."""
    stores = map_samples(manifest, {"samples": samples, "logits": logits, "pseudo_labels": pseudo_labels})
    base = BaseTraining(base_model, TrainingSettings.model_validate(base_training), len(base_history))
    plan = FittingPlan(
        TrainingSettings.model_validate(training), seed, Path(checkpoints), log_epoch, Tiles(**tiles), base
    )
    trained = train_refiner(LearningMaps(stores, map_manifest), read_settings(refiner), plan)
    return trained.network, trained.history
