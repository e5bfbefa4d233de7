"""Catalog datasets load what they have saved, and their errors name what is missing."""

import json
import logging
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DatasetError

from prn_pipeline.data.ingestion import inspect_and_summarise
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.store.array_store import ArrayStream
from prn_pipeline.io.array_store import ArrayStoreDataset
from prn_pipeline.io.files import FiguresDataset, JsonDataset, PictureDataset, ScoresDataset, TableDataset, TextDataset
from prn_pipeline.io.modules import ModuleDataset, ModuleFolderDataset
from prn_pipeline.io.summary import SummaryDataset
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


def drawn_summary(name: str) -> dict[str, Any]:
    settings = DatasetSettings.model_validate({"reader": "synthetic", "synthetic": {"count": 10, "size": 64}})
    return inspect_and_summarise(name, settings, make_reader(name, settings, Path("nowhere")))[1]


def scores_file(tmp_path: Path) -> Path:
    return tmp_path / "metrics/drive/unet/prn/seed-0.json"


@pytest.mark.parametrize(
    ("place", "damage", "message"),
    [
        ("data/02_intermediate/drive/manifest.parquet", "half", "run the pipeline ingestion again: kedro run"),
        (
            "data/02_intermediate/drive/manifest.parquet",
            "empty",
            "it is empty.*--pipelines ingestion --params",
        ),
        ("data/06_models/drive/unet/seed-0/base_history.csv", "half", "--pipelines base_training --params .*,seed=0"),
        ("data/07_model_output/drive/unet/prn/seed-0/per_image.csv", "half", "--pipelines evaluation .*refiner=prn"),
        ("metrics/drive/unet/prn/seed-0.json", "half", "not JSON.*git checkout.*--pipelines evaluation .*refiner=prn"),
        ("metrics/drive/unet/prn/seed-0.json", "empty", "is empty.*--pipelines evaluation"),
        ("data/08_reporting/drive/unet/prn/seed-0/promotion.json", "half", "--pipelines promotion"),
    ],
)
def test_a_damaged_artefact_names_the_pipeline_to_run_again(
    tmp_path: Path, place: str, damage: str, message: str
) -> None:
    dataset: Any = (JsonDataset if place.endswith("json") else TableDataset)(filepath=str(tmp_path / place))
    dataset.save({"iou": 0.731} if place.endswith("json") else pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    content = (tmp_path / place).read_bytes()
    (tmp_path / place).write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    with pytest.raises(DatasetError, match=rf"(?s){Path(place).name}.*{message}"):
        dataset.load()


def test_a_changed_number_of_a_json_file_is_refused(tmp_path: Path) -> None:
    dataset = JsonDataset(filepath=str(scores_file(tmp_path)))
    dataset.save({"methods": {"base": {"iou_micro": 0.731}}, 3: "a number as key", "pair": (1, 2)})
    assert dataset.load() == {
        "methods": {"base": {"iou_micro": 0.731}},
        "3": "a number as key",
        "pair": [1, 2],
    }
    text = scores_file(tmp_path).read_text()
    scores_file(tmp_path).write_text(text.replace("0.731", "0.735"))
    with pytest.raises(DatasetError, match=r"does not match its checksum.*git checkout.*remove the key 'checksum'"):
        dataset.load()


def test_a_json_file_keeps_its_checksum_whatever_its_layout(tmp_path: Path) -> None:
    dataset = JsonDataset(filepath=str(tmp_path / "a.json"))
    dataset.save({"b": 0.1, "a": [1e-9, float("nan"), "ü"]})
    content = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps(content, sort_keys=True, ensure_ascii=False).replace(" ", "\r\n"))
    assert dataset.load()["b"] == 0.1


def test_files_without_a_checksum_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"iou": 0.5}')
    assert JsonDataset(filepath=str(tmp_path / "a.json")).load() == {"iou": 0.5}
    (tmp_path / "a.csv").write_text("sample_id,gain\n007,0.5\n")
    assert TableDataset(filepath=str(tmp_path / "a.csv")).load().to_dict("list") == {
        "sample_id": ["007"],
        "gain": [0.5],
    }


def test_a_parquet_file_without_a_checksum_is_refused_with_the_reason(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DatasetError, match="no checksum: it is damaged, or an earlier version wrote it"):
        TableDataset(filepath=str(tmp_path / "a.parquet")).load()


def test_a_table_that_quotes_a_checksum_is_read(tmp_path: Path) -> None:
    table = pd.DataFrame({"sample_id": ["checksum:0123456789abcdef", "b"], "gain": [1.5, float("nan")]})
    for name in ("t.csv", "t.parquet"):
        TableDataset(filepath=str(tmp_path / name)).save(table)
        assert TableDataset(filepath=str(tmp_path / name)).load().equals(table)


def test_other_programs_read_the_tables(tmp_path: Path) -> None:
    table = pd.DataFrame({"sample_id": ["a", "b"], "gain": [1.5, -2.0]})
    for name in ("t.csv", "t.parquet"):
        TableDataset(filepath=str(tmp_path / name)).save(table)
    assert pd.read_csv(tmp_path / "t.csv").iloc[:, :2].equals(table)
    assert pd.read_parquet(tmp_path / "t.parquet").equals(table)


def test_a_table_without_rows_has_a_checksum_too(tmp_path: Path) -> None:
    dataset = TableDataset(filepath=str(tmp_path / "t.csv"))
    dataset.save(pd.DataFrame({"epoch": [], "loss": []}))
    assert list(dataset.load().columns) == ["epoch", "loss"]
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("loss", "lost"))
    with pytest.raises(DatasetError, match="does not match its checksum"):
        dataset.load()


def test_a_damaged_file_with_a_default_is_replaced_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = JsonDataset(filepath=str(tmp_path / "stage_costs.json"), default={})
    (tmp_path / "stage_costs.json").write_text("{half")
    with caplog.at_level(logging.WARNING):
        assert dataset.load() == {}
    assert "stage_costs.json is not JSON" in caplog.text


def test_a_folder_of_models_that_lacks_one_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data/06_models/drive/unet/seed-0/folds"
    dataset = ModuleFolderDataset(filepath=str(folder), rebuild="prn_pipeline.refinement.registry:rebuild_refiner")
    dataset.save({"fold-0": refiner(), "fold-1": refiner()})
    for suffix in ("safetensors", "json"):
        (folder / f"fold-1.{suffix}").unlink()
    with pytest.raises(DatasetError, match=r"1 models, .*some are missing; run the pipeline base_training again"):
        dataset.load()


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


@pytest.mark.parametrize(
    ("kind", "place", "stage"),
    [
        (TableDataset, "data/02_intermediate/drive/manifest.parquet", "ingestion --params dataset=drive"),
        (TableDataset, "data/06_models/drive/unet/seed-0/base_history.csv", "base_training"),
        (SummaryDataset, "data/08_reporting/drive/dataset.json", "ingestion"),
        (ScoresDataset, "metrics/drive/unet/prn/seed-0.json", "evaluation"),
        (TextDataset, "data/08_reporting/drive/unet/prn/seed-0/report.html", "reporting"),
        (PictureDataset, "data/08_reporting/drive/samples.png", "ingestion --params dataset=drive"),
        (FiguresDataset, "data/08_reporting/drive/unet/prn/seed-0/figures", "reporting"),
    ],
)
def test_a_folder_in_place_of_a_file_is_refused_and_replaced_by_the_next_run(
    tmp_path: Path, kind: Any, place: str, stage: str
) -> None:
    dataset = kind(filepath=str(tmp_path / place))
    content: dict[Any, Any] = {
        TableDataset: pd.DataFrame({"a": [1]}),
        TextDataset: "page",
        PictureDataset: b"picture",
        FiguresDataset: {"a": b"picture"},
    }
    (tmp_path / place).parent.mkdir(parents=True)
    if kind is FiguresDataset:
        (tmp_path / place).write_text("a file in place of a folder")
    else:
        (tmp_path / place).mkdir()
        (tmp_path / place / "other").touch()
    with pytest.raises(DatasetError, match=rf"expected a (file|folder): run .* again: kedro run --pipelines {stage}"):
        dataset.load()
    dataset.save(content.get(kind, {}))
    assert (tmp_path / place).is_dir() == (kind is FiguresDataset)
    assert [path for path in (tmp_path / place).parent.iterdir() if path.name != Path(place).name] == []


def test_a_file_in_place_of_a_store_is_refused_and_replaced_by_the_next_run(tmp_path: Path) -> None:
    place = tmp_path / "data/04_feature/drive/unet/seed-0/logits.zarr"
    place.parent.mkdir(parents=True)
    place.write_text("not a store")
    dataset = ArrayStoreDataset(filepath=str(place))
    with pytest.raises(DatasetError, match=r"no array store at .*--pipelines logit_caching"):
        dataset.load()
    dataset.save(ArrayStream([{"logits": np.zeros((3, 4, 4), np.float16)}], {}))
    assert len(dataset.load()) == 3
    assert [path.name for path in place.parent.iterdir()] == ["logits.zarr"]


REBUILD = "prn_pipeline.refinement.registry:rebuild_refiner"
OF_SEED = "data/{folder}/drive/unet/seed-{seed}/{name}"


def at_seed(root: Path, kind: str, seed: int) -> tuple[Any, Path]:
    """A dataset of the catalog's kind at the place of a seed, and the file or folder there."""
    folder, name, made = {
        "store": ("04_feature", "logits.zarr", ArrayStoreDataset),
        "table": ("04_feature", "map_manifest.parquet", TableDataset),
        "scores": ("../metrics", "", ScoresDataset),
        "module": ("06_models", "base.safetensors", partial(ModuleDataset, rebuild=REBUILD)),
        "modules": ("06_models", "folds", partial(ModuleFolderDataset, rebuild=REBUILD)),
    }[kind]
    path = root / OF_SEED.format(folder=folder, seed=seed, name=name)
    if kind == "scores":
        path = root / f"metrics/drive/unet/prn/seed-{seed}.json"
    return made(filepath=str(path)), path


def content(kind: str, seed: int) -> Any:
    if kind == "store":
        return ArrayStream([{"logits": np.full((3, 4, 4), seed, np.float16)}], {"samples": "same"})
    if kind == "table":
        return pd.DataFrame({"sample_id": ["a"], "seed": [seed]})
    if kind == "scores":
        return {"schema": 2, "dataset": "drive", "base_model": "unet", "refiner": "prn", "seed": seed}
    return refiner() if kind == "module" else {"fold-0": refiner()}


def copied(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.rmtree(target)
        shutil.copytree(path, target)
        return
    for file in path.parent.glob(f"{path.stem}.*"):
        shutil.copy(file, target.with_suffix(file.suffix))


@pytest.mark.parametrize("kind", ["store", "table", "scores", "module", "modules"])
def test_an_artefact_of_another_run_is_refused_with_the_stage_to_run(tmp_path: Path, kind: str) -> None:
    (one, here), (two, there) = (at_seed(tmp_path, kind, seed) for seed in (0, 1))
    one.save(content(kind, 0))
    two.save(content(kind, 1))
    one.load()
    copied(there, here)
    with pytest.raises(DatasetError, match=r"was written as .*seed-1.*, and copied or renamed since: .*seed=0"):
        one.load()
    two.load()


@pytest.mark.parametrize("kind", ["store", "table", "scores", "module", "modules"])
def test_a_project_may_be_moved(tmp_path: Path, kind: str) -> None:
    saved, _ = at_seed(tmp_path / "old", kind, 0)
    saved.save(content(kind, 0))
    (tmp_path / "old").rename(tmp_path / "02_new")
    assert at_seed(tmp_path / "02_new", kind, 0)[0].load() is not None


def test_a_summary_of_another_data_set_is_refused(tmp_path: Path) -> None:
    dataset = SummaryDataset(filepath=str(tmp_path / "data/08_reporting/drive/dataset.json"))
    dataset.save(drawn_summary("roads"))
    with pytest.raises(DatasetError, match=r"was written as 08_reporting/roads/dataset.json, .*--params dataset=drive"):
        dataset.load()
    dataset.save(drawn_summary("drive"))
    assert dataset.load()["dataset"] == "drive"


def test_the_address_of_a_table_is_no_attribute_of_what_is_read(tmp_path: Path) -> None:
    dataset, _ = at_seed(tmp_path, "table", 0)
    table = content("table", 0)
    table.attrs["samples"] = "x"
    dataset.save(table)
    assert dataset.load().attrs == table.attrs == {"samples": "x"}
