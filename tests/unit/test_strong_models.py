"""Data sets with the maps of strong models are links, of the images that have maps."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks.strong_models import STRONG, link_strong
from prn_pipeline.configuration.parameters import RUN_NAMES
from prn_pipeline.errors import UserError
from prn_pipeline.sweep.lists import read_lists, unknown_names
from tests.conftest import PROJECT


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of data sets and of maps, with three images, of which two are listed."""
    root, maps = tmp_path / "datasets", tmp_path / "maps"
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        (root / "ecssd" / kind).mkdir(parents=True)
        for name in ("0001", "0002", "0003"):
            (root / "ecssd" / kind / f"{name}{suffix}").write_text(f"{kind} {name}")
    maps.mkdir()
    (maps / "ecssd_splits.csv").write_text("sample_id,split\n0001,val\n0003,test\n")
    for file in STRONG["ecssd_strong"].maps.values():
        np.savez(maps / file, **{"0001": np.zeros((2, 2), np.float16)})
    return root, maps


def test_images_with_maps_their_masks_and_the_maps_are_linked(sources: tuple[Path, Path], tmp_path: Path) -> None:
    for _ in range(2):  # again, over links that are there
        made = link_strong("ecssd_strong", *sources, tmp_path / "raw")
    files = sorted(str(file.relative_to(made)) for file in made.rglob("*") if not file.is_dir())
    images = [
        f"{kind}/{name}"
        for kind, end in (("images", "jpg"), ("masks", "png"))
        for name in (f"0001.{end}", f"0003.{end}")
    ]
    assert files == sorted([*images, "maps/isnet_1024.npz", "maps/isnet_512.npz", "splits.csv"])
    assert all(os.path.islink(made / file) for file in files)
    assert (made / "images/0003.jpg").read_text() == "images 0003"


def test_nothing_is_linked_where_a_file_is_missing(sources: tuple[Path, Path], tmp_path: Path) -> None:
    root, maps = sources
    (root / "ecssd/masks/0003.png").unlink()
    with pytest.raises(UserError, match=r"masks has no file of 0003, which .*ecssd_splits.csv lists"):
        link_strong("ecssd_strong", root, maps, tmp_path / "raw")
    (maps / "ecssd_isnet512.npz").unlink()
    with pytest.raises(UserError, match=r"no file .*ecssd_isnet512.npz: give the folder that holds the maps"):
        link_strong("ecssd_strong", root, maps, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def maps_of(block: dict[str, Any]) -> set[str]:
    """Names of the maps that a base model reads."""
    used = [*block.get("maps", [block.get("folder")]), *filter(None, [block.get("tta")])]
    return {Path(folder).name for folder in used}


@pytest.mark.parametrize(("name", "dataset"), [("strong_objects", "ecssd_strong"), ("strong_vessels", "drive_strong")])
def test_the_lists_name_maps_that_are_linked(name: str, dataset: str) -> None:
    lists = read_lists(PROJECT, Path(f"benchmarks/lists/{name}.yml"))
    assert not unknown_names(lists, PROJECT)
    assert lists.datasets == [dataset]
    assert set(next(lists.runs())) == set(RUN_NAMES)
    blocks = yaml.safe_load((PROJECT / "conf/base/parameters_base_models.yml").read_text())["base_models"]
    for base_model in lists.base_models:
        assert maps_of(blocks[base_model]) <= set(STRONG[dataset].maps)
