"""One small example of every kind of artefact that the pipelines store and read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.data.ingestion import inspect_and_summarise
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import SHARD_ROWS, ArrayStore, ArrayStream
from prn_pipeline.errors import UserError
from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import JsonDataset, TableDataset
from prn_pipeline.io.modules import ModuleDataset, ModuleFolderDataset
from prn_pipeline.io.summary import SummaryDataset
from prn_pipeline.metrics.descriptions import BINS, PATCHES, Descriptions
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.serving.journal import Journal
from prn_pipeline.serving.saved import PredictorComponents, read_folder, write_folder
from prn_pipeline.serving.settings import PredictorSettings
from prn_pipeline.training.checkpoints import damage

RNG = np.random.default_rng(0)
ROWS = SHARD_ROWS + 5
REBUILD = "prn_pipeline.refinement.registry:rebuild_refiner"
ARRAYS = {
    "images": RNG.integers(0, 256, (ROWS, 8, 8, 3), np.uint8),
    "masks": np.zeros((ROWS, 8, 8), np.uint8),
    "logits": RNG.normal(0, 4, (ROWS, 8, 8)).astype(np.float16),
}
TABLE = pd.DataFrame(
    {
        "sample_id": [f"image {number:03d}" for number in range(40)],
        "split": ["train", "val", "test", "test"] * 10,
        "gain": [float("nan"), *RNG.normal(size=39)],
        "row": range(40),
    }
)
TABLE.attrs["samples"] = "0123456789abcdef"
SCORES: dict[str, Any] = {
    **{"schema": 2, "dataset": "roads", "base_model": "unet", "refiner": "prn", "seed": 0, "n_test": 40},
    "methods": {name: {"iou_micro": 0.731, "iou_micro_ci95": [0.71, 0.75], "mae": 0.1} for name in ("base", "refined")},
    "gain": {"vs_base": {"iou_micro": 0.0125, "ci95": [0.01, 0.02], "p": 0.001}, "images_worse_pct": 12.5},
}
SMALL = RegionDetailSettings(network="region_detail", members=2, detail_width=4, detail_levels=1, region_width=4)


@dataclass(frozen=True)
class Artefact:
    """How an artefact is written into a folder, and read from there.

    Attributes:
        write: creates the files.
        read: their content; raises UserError, or an error that Kedro makes of it.
    """

    write: Callable[[Path], None]
    read: Callable[[Path], Any]


def _refiner() -> FoldEnsemble:
    torch.manual_seed(0)
    return FoldEnsemble(SMALL).eval()


def _write_arrays(folder: Path) -> None:
    batches = ({name: array[start : start + 10] for name, array in ARRAYS.items()} for start in range(0, ROWS, 10))
    ArrayStoreDataset(filepath=str(folder / "samples.zarr")).save(ArrayStream(batches, {"samples": "a", "classes": 3}))


def _read_arrays(folder: Path) -> Any:
    store: ArrayStore = ArrayStoreDataset(filepath=str(folder / "samples.zarr")).load()
    return store.attributes, {name: store.read(name, slice(None)) for name in store.names}


def _table(name: str) -> Artefact:
    def dataset(folder: Path) -> TableDataset:
        return TableDataset(filepath=str(folder / name))

    return Artefact(lambda folder: dataset(folder).save(TABLE), lambda folder: dataset(folder).load())


def _summary(folder: Path) -> SummaryDataset:
    return SummaryDataset(filepath=str(folder / "dataset.json"))


def _drawn_summary() -> dict[str, Any]:
    settings = DatasetSettings.model_validate(
        {"reader": "synthetic", "synthetic": {"count": 10, "size": 64}, "folds": 3}
    )
    return inspect_and_summarise("drawn", settings, make_reader("drawn", settings, Path("nowhere")))[1]


def _weights(folder: Path) -> ModuleDataset:
    return ModuleDataset(filepath=str(folder / "refiner.safetensors"), rebuild=REBUILD)


def _folds(folder: Path) -> ModuleFolderDataset:
    return ModuleFolderDataset(filepath=str(folder / "folds"), rebuild=REBUILD)


def _write_predictor(folder: Path) -> None:
    reference = Descriptions(
        *(RNG.random(shape).astype(np.float32) for shape in ((20, 6), (20, BINS), (20, 1, PATCHES, PATCHES)))
    )
    base: Any = build_base_model(MapFilesSettings(kind="maps"))
    write_folder(
        folder / "predictor", PredictorComponents(base, _refiner(), PredictorSettings(image_size=64), reference)
    )


def _read_predictor(folder: Path) -> Any:
    found = read_folder(folder / "predictor")
    assert found.reference is not None
    return found.settings.model_dump(), found.refiner.state_dict(), found.reference._asdict()


def _write_checkpoint(folder: Path) -> None:
    torch.save({"epoch": 3, "state_dict": _refiner().state_dict()}, folder / "last.ckpt")


def _read_checkpoint(folder: Path) -> Any:
    """As the training does, which starts from the beginning if it cannot resume."""
    if (found := damage(folder / "last.ckpt")) is not None:
        raise UserError(found)
    try:
        return torch.load(folder / "last.ckpt", weights_only=False)
    except RuntimeError as error:
        raise UserError("cannot be read") from error


def _write_journal(folder: Path) -> None:
    journal = Journal(folder, {"model": "a"})
    for number in range(9):
        journal.add({"name": str(number), "source": [1, 2], "row": {"foreground": 0.25}})


def _read_journal(folder: Path) -> Any:
    entries = Journal(folder, {"model": "a"}).entries
    if len(entries) < 9:
        raise UserError("the images without an entry are refined again")
    return entries


KINDS = {
    "array store (Zarr)": Artefact(_write_arrays, _read_arrays),
    "table (Parquet)": _table("manifest.parquet"),
    "table (CSV)": _table("per_image.csv"),
    "scores (JSON)": Artefact(
        lambda folder: JsonDataset(filepath=str(folder / "seed-0.json")).save(SCORES),
        lambda folder: read_scores(folder / "seed-0.json"),
    ),
    "summary of a data set (JSON)": Artefact(
        lambda folder: _summary(folder).save(_drawn_summary()), lambda folder: _summary(folder).load()
    ),
    "model (safetensors, JSON)": Artefact(
        lambda folder: _weights(folder).save(_refiner()), lambda folder: _weights(folder).load().state_dict()
    ),
    "models of folds": Artefact(
        lambda folder: _folds(folder).save({"fold-0": _refiner(), "fold-1": _refiner()}),
        lambda folder: {name: model.state_dict() for name, model in _folds(folder).load().items()},
    ),
    "predictor": Artefact(_write_predictor, _read_predictor),
    "checkpoint of a training": Artefact(_write_checkpoint, _read_checkpoint),
    "journal of a folder job": Artefact(_write_journal, _read_journal),
}
