"""Catalog datasets load what they have saved, and their errors name what is missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DatasetError

from prn_pipeline.data.store.array_store import ArrayStream
from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import FiguresDataset, JsonDataset, TableDataset, TextDataset
from prn_pipeline.io.modules import ModuleDataset, ModuleFolderDataset
from prn_pipeline.refinement.patch_refine_net.refiner import PaperRefiner
from prn_pipeline.refinement.patch_refine_net.settings import PatchRefineNetSettings


def refiner() -> PaperRefiner:
    return PaperRefiner(PatchRefineNetSettings(width=4, grid=2, residual=True)).eval()


def test_tables_keep_their_columns_and_parquet_its_attributes(tmp_path: Path) -> None:
    table = pd.DataFrame({"sample_id": ["007", "b"], "gain": [0.25, float("nan")]})
    table.attrs["samples"] = "abc"
    parquet = TableDataset(filepath=str(tmp_path / "a" / "t.parquet"))
    parquet.save(table)
    pd.testing.assert_frame_equal(parquet.load(), table)
    assert parquet.load().attrs == {"samples": "abc"}
    csv = TableDataset(filepath=str(tmp_path / "t.csv"))
    csv.save(table.assign(sample_id=["007", "NA"]))
    assert csv.load()["sample_id"].tolist() == ["007", "NA"], "names of files, not numbers"
    assert csv.load()["gain"].tolist()[0] == 0.25
    assert np.isnan(csv.load()["gain"].tolist()[1])


def test_json_text_and_figures_are_loaded_again(tmp_path: Path) -> None:
    for dataset, value in (
        (JsonDataset(filepath=str(tmp_path / "s.json")), {"a": [1, 2.5], "b": None}),
        (TextDataset(filepath=str(tmp_path / "r.html")), "<p>größer</p>"),
        (FiguresDataset(filepath=str(tmp_path / "figures")), {"one": b"\x89PNG", "two": b"\x89PNG2"}),
    ):
        assert not dataset.exists()
        dataset.save(value)  # type: ignore[attr-defined]
        assert dataset.exists()
        assert dataset.load() == value


def test_figures_of_an_older_report_do_not_stay(tmp_path: Path) -> None:
    figures = FiguresDataset(filepath=str(tmp_path / "figures"))
    figures.save({"old": b"1"})
    figures.save({"new": b"2"})
    assert figures.load() == {"new": b"2"}


def test_a_missing_json_file_is_read_as_its_default(tmp_path: Path) -> None:
    dataset = JsonDataset(filepath=str(tmp_path / "seconds.json"), default={})
    assert dataset.exists()
    assert dataset.load() == {}


def test_modules_are_loaded_in_eval_mode(tmp_path: Path) -> None:
    dataset = ModuleDataset(
        filepath=str(tmp_path / "refiner.safetensors"), rebuild="prn_pipeline.refinement.registry:rebuild_refiner"
    )
    module, logits = refiner(), torch.randn(1, 1, 32, 32)
    dataset.save(module)
    loaded = dataset.load()
    assert torch.equal(loaded(logits), module(logits))
    assert not loaded.training


def test_a_folder_of_modules_may_be_empty_and_drops_old_ones(tmp_path: Path) -> None:
    dataset = ModuleFolderDataset(
        filepath=str(tmp_path / "folds"), rebuild="prn_pipeline.refinement.registry:rebuild_refiner"
    )
    dataset.save({"fold-0": refiner(), "fold-1": refiner()})
    assert sorted(dataset.load()) == ["fold-0", "fold-1"]
    dataset.save({})
    assert dataset.load() == {}
    assert dataset.exists()


def test_array_stores_are_loaded_again(tmp_path: Path) -> None:
    dataset = ArrayStoreDataset(filepath=str(tmp_path / "s.zarr"))
    assert not dataset.exists()
    dataset.save(ArrayStream([{"maps": np.ones((3, 4, 4), np.float16)}]))
    assert dataset.load().shape("maps") == (3, 4, 4)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (TableDataset, {"filepath": "t.parquet"}),
        (JsonDataset, {"filepath": "s.json"}),
        (TextDataset, {"filepath": "r.html"}),
        (FiguresDataset, {"filepath": "figures"}),
        (ArrayStoreDataset, {"filepath": "s.zarr"}),
        (ModuleDataset, {"filepath": "m.safetensors", "rebuild": "prn_pipeline.refinement.registry:rebuild_refiner"}),
        (ModuleFolderDataset, {"filepath": "folds", "rebuild": "prn_pipeline.refinement.registry:rebuild_refiner"}),
    ],
)
def test_a_missing_artefact_names_its_file_and_what_to_run(
    tmp_path: Path, kind: Any, arguments: dict[str, str]
) -> None:
    dataset = kind(**{**arguments, "filepath": str(tmp_path / arguments["filepath"])})
    with pytest.raises(DatasetError, match=rf"{arguments['filepath']}.*run the pipeline"):
        dataset.load()
