"""Data sets with a domain shift, derived from small stand-ins."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from PIL import Image

from benchmarks.domain_shift import BASE_MODEL, budgets
from benchmarks.domain_shift_page import section
from benchmarks.shifted_data import SHIFTED, make_shifted
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from tests.unit.test_parameters import load


@pytest.fixture
def root(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, count in (("dsb2018_nuclei", 12), ("kvasir_seg", 130), ("epfl_roads", 10)):
        for kind in ("images", "masks"):
            (tmp_path / name / kind).mkdir(parents=True)
        for i in range(count):
            grey = 200 if name == "dsb2018_nuclei" and i % 2 else 40
            image = rng.integers(grey - 20, grey + 20, (40, 40, 3)).astype(np.uint8)
            Image.fromarray(image).save(tmp_path / name / "images" / f"i{i:03d}.jpg")
            Image.fromarray(255 * (image[..., 0] > grey).astype(np.uint8)).save(
                tmp_path / name / "masks" / f"i{i:03d}.png"
            )
    (tmp_path / "kvasir_seg" / "official_val.txt").write_text("\n".join(f"i{i:03d}" for i in range(120, 130)))
    return tmp_path


def made(name: str, root: Path) -> tuple[Path, dict[str, str]]:
    make_shifted(name, root, root / "made")
    folder = root / "made" / name
    with (folder / "splits.csv").open() as rows:
        return folder, {row["sample_id"]: row["split"] for row in csv.DictReader(rows)}


@pytest.mark.parametrize("name", list(SHIFTED))
def test_every_sample_has_an_image_a_mask_and_a_split(name: str, root: Path) -> None:
    folder, splits = made(name, root)
    for kind in ("images", "masks"):
        assert sorted(file.stem for file in (folder / kind).iterdir()) == sorted(splits)
    assert set(splits.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("name", list(SHIFTED))
def test_the_settings_that_ship_read_every_data_set(name: str, root: Path) -> None:
    folder, splits = made(name, root)
    datasets = yaml.safe_load(Path("conf/base/parameters_datasets.yml").read_text())["datasets"]
    settings = DatasetSettings.model_validate(datasets[name])
    manifest = inspect(name, settings, make_reader(name, settings, folder.parent))
    assert dict(zip(manifest["sample_id"], manifest["split"], strict=True)) == splits
    quarters = manifest[manifest["sample_id"].str.fullmatch(r"i\d+_\d")]
    assert quarters.groupby("group").size().isin([4]).all()


def test_stained_tissue_is_new_and_one_in_three_is_labelled(root: Path) -> None:
    _, splits = made("nuclei_other_stain", root)
    assert Counter(splits.values()) == {"train": 6, "val": 2, "test": 4}
    assert all((splits[f"i{i:03d}"] == "train") == (i % 2 == 0) for i in range(12))


def test_the_official_test_images_are_tested_and_only_new_images_are_changed(root: Path) -> None:
    folder, splits = made("polyps_other_scope", root)
    assert {name for name, split in splits.items() if split == "test"} == {f"i{i:03d}" for i in range(120, 130)}
    assert Counter(splits.values())["val"] == 60
    for sample_id, split in splits.items():
        (file,) = (folder / "images").glob(f"{sample_id}.*")
        assert file.is_symlink() == (split == "train")


def test_the_quarters_of_an_image_make_it_up_and_stay_in_one_split(root: Path) -> None:
    folder, splits = made("roads_other_height", root)
    whole = np.asarray(Image.open(root / "epfl_roads" / "masks" / "i003.png"))
    quarters = [np.asarray(Image.open(folder / "masks" / f"i003_{k}.png")) for k in range(4)]
    assert (np.block([quarters[:2], quarters[2:]]) == whole).all()
    assert {splits[f"i003_{k}"] for k in range(4)} == {"val"}
    assert {splits[f"i004_{k}"] for k in range(4)} == {"test"}
    assert splits["i002"] == "train"


@pytest.mark.parametrize("name", list(SHIFTED))
def test_without_its_data_set_nothing_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no folder images: set PRN_DATA_ROOT to the folder that holds"):
        make_shifted(name, tmp_path, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", list(budgets()))
def test_fine_tuning_is_a_refiner_with_the_steps_of_the_base_model_or_a_tenth_of_them(name: str) -> None:
    run = load(
        refiner=name, base_model=BASE_MODEL, **OmegaConf.from_dotlist([f"{k}={v}" for k, v in budgets()[name].items()])
    )["run"]
    of_base, own = run["base_training"], run["prn_training"]
    steps = [one["epochs"] * one["steps_per_epoch"] for one in (of_base, own)]
    assert steps[1] == steps[0] // (10 if name == "fine_tuned_tenth" else 1)
    assert own["augmentation"]["crop"] is None
    assert run["refiner"]["network"] == "base_network"
    assert len(run["refiner"]["learning_rates"]) == 2, "chosen by cross-validation"


def test_the_table_says_what_was_gained_on_how_many_images_and_in_how_many_seconds(tmp_path: Path) -> None:
    gain = {"vs_base": {"iou_micro": 0.05, "ci95": [0.01, 0.09]}}
    common = {"n_test": 82, "methods": {"base": {"iou_micro": 0.4}}, "gain": gain}
    found = {"prn": {"seconds": {"base_training": 500, "prn_training": 30}}, "fine_tuned": {"n_val": 41}}
    found["fine_tuned"]["seconds"] = {"fine_tuning": 300}
    for method, scores in found.items():
        file = tmp_path / "nuclei_other_stain" / "unet" / method / "seed-0.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(common | scores))
    text = section(tmp_path, list(found), "unet", [0])
    assert "| `nuclei_other_stain` | 0 | 41 | 82 | 0.400 | +5.0 [+1.0, +9.0] | +5.0 [+1.0, +9.0] |" in text
    assert "| seconds of training |  |  |  |  | 30 | 300 |" in text
    assert section(tmp_path, ["prn_maps"], "unet", [0]) == "Not measured yet."
