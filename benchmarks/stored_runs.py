"""What the pipelines have left on disk, for measurements that go beyond a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from torch import nn

from prn_pipeline.data.store.array_store import shards
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import TableDataset
from prn_pipeline.io.modules import ModuleDataset
from prn_pipeline.metrics.counts import TruthCounter
from prn_pipeline.segmentation.input_names import TTA, TTA_SCALES
from prn_pipeline.training.inference import predict_logits

DATA, CONF = Path("data"), Path("conf/base")


def open_samples(dataset: str, base_model: str | None = None, seed: int = 0) -> Samples:
    """A data set's samples; with the name of a base model, its maps and pseudo-labels too."""
    folder = DATA / "02_intermediate" / dataset
    stores = {"samples": folder / "samples.zarr"}
    if base_model:
        of_base = Path(dataset) / base_model / f"seed-{seed}"
        stores |= {
            "logits": DATA / "04_feature" / of_base / "logits.zarr",
            "pseudo_labels": DATA / "05_model_input" / of_base / "pseudo_labels.zarr",
        }
    opened = {name: ArrayStoreDataset(filepath=str(path)).load() for name, path in stores.items()}
    return Samples(TableDataset(filepath=str(folder / "manifest.parquet")).load(), opened)


def open_map_manifest(dataset: str, base_model: str, seed: int) -> pd.DataFrame:
    """Which model made which map."""
    path = DATA / "04_feature" / dataset / base_model / f"seed-{seed}" / "map_manifest.parquet"
    return TableDataset(filepath=str(path)).load()


def open_base(dataset: str, base_model: str, seed: int) -> nn.Module:
    """A trained base model."""
    path = DATA / "06_models" / dataset / base_model / f"seed-{seed}" / "base.safetensors"
    return ModuleDataset(filepath=str(path), rebuild="prn_pipeline.segmentation.registry:rebuild_base_model").load()


def open_refiner(dataset: str, base_model: str, refiner: str, seed: int) -> nn.Module:
    """A trained refiner."""
    path = DATA / "06_models" / dataset / base_model / refiner / f"seed-{seed}" / "refiner.safetensors"
    return ModuleDataset(filepath=str(path), rebuild="prn_pipeline.refinement.registry:rebuild_refiner").load()


def all_names(kind: str) -> list[str]:
    """The names in parameters_<kind>.yml, in order."""
    return list(_blocks(kind))


def named_settings(kind: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A block of parameters_<kind>.yml, and its block `training`."""
    block = with_tta(dict(_blocks(kind)[name]))
    training = block.pop("training", {})
    return block, training


def with_tta(block: dict[str, Any]) -> dict[str, Any]:
    """A refiner's block for a base model that has TTA and the maps of no other model; other blocks as they are."""
    if "inputs_if_available" not in block:
        return block
    others = {key: value for key, value in block.items() if key != "inputs_if_available"}
    of_tta = [name for name in block["inputs_if_available"] if name in (TTA, TTA_SCALES)]
    return others | {"inputs": [*others.get("inputs", []), *of_tta]}


def counts_of(network: nn.Module, samples: Samples, rows: np.ndarray, arrays: tuple[str, ...]) -> np.ndarray:
    """Counts of a network's masks on rows, int64 (n, 6); see `metrics.COLUMNS`."""
    counted = []
    for part in shards(rows):
        logits = np.concatenate(list(predict_logits(network, samples, part, arrays, 16)))
        counted.append(TruthCounter(samples.array("masks", part)).count(logits > 0))
    return np.concatenate(counted)


def _blocks(kind: str) -> dict[str, Any]:
    blocks: dict[str, Any] = yaml.safe_load((CONF / f"parameters_{kind}.yml").read_text())[kind]
    return blocks
