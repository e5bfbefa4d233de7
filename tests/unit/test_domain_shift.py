"""Data sets with a domain shift, derived from small stand-ins."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from PIL import Image

from benchmarks.domain_shift import BASE_MODEL, FROZEN, LONG, REFINERS, long_fine_tuning
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


def with_parameters(refiner: str, extra: dict[str, str]) -> dict[str, Any]:
    given = OmegaConf.from_dotlist([f"{key}={value}" for key, value in extra.items()])
    run: dict[str, Any] = load(refiner=refiner, base_model=BASE_MODEL, **given)["run"]
    return run


@pytest.mark.parametrize("refiner", REFINERS)
def test_the_new_domain_chooses_nothing_of_the_base_model_and_the_old_one_teaches_no_refiner(refiner: str) -> None:
    run = with_parameters(refiner, FROZEN)
    of_base = run["base_training"]
    assert (of_base["schedule"], of_base["keep"], of_base["early_stop_patience"]) == ("cosine", "last", None)
    assert not run["refiner"].get("seen_maps", False)
    assert not run["refiner"].get("seen_images", False)


def test_long_fine_tuning_takes_the_steps_of_the_base_model_and_brief_one_a_tenth_of_them() -> None:
    frozen = with_parameters("fine_tune", FROZEN)
    brief, long = frozen["prn_training"], with_parameters(LONG, FROZEN | long_fine_tuning())
    own = long["prn_training"]
    assert own["epochs"] * own["steps_per_epoch"] == 1200 == 10 * brief["epochs"] * brief["steps_per_epoch"]
    assert frozen["base_training"]["epochs"] * frozen["base_training"]["steps_per_epoch"] == 1200
    assert own | {"epochs": brief["epochs"]} == brief
    assert long["refiner"] == frozen["refiner"]
