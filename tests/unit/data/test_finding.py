"""Which files a pattern finds, in data sets, among maps, and in a folder to refine."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.finding import find_files, is_bookkeeping
from prn_pipeline.data.readers.map_folder import MapFolder
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from prn_pipeline.serving.folder_images import images_below
from prn_pipeline.serving.sources import open_images

Writer = Callable[..., Path]
LEFT_BEHIND = [
    ".ipynb_checkpoints/a-checkpoint.png",
    "__MACOSX/a.png",
    "__MACOSX/images/._a.png",
    ".git/annex/objects/a.png",
    ".dvc/cache/a.png",
    "@eaDir/a.png/SYNOPHOTO_THUMB_M.png",
    "#recycle/a.png",
    ".Trash-1000/files/a.png",
    "._a.png",
    "~$a.png",
    "$RECYCLE.BIN/a.png",
]


@pytest.mark.parametrize("name", [*LEFT_BEHIND, "Thumbs.db", "THUMBS.DB", "desktop.ini", ".DS_Store"])
def test_what_systems_and_tools_leave_is_bookkeeping_at_any_depth(name: str) -> None:
    assert is_bookkeeping(Path(name))
    assert is_bookkeeping(Path("scene_1") / name)


@pytest.mark.parametrize("name", ["a.png", "scene.1/a.png", "thumbs/a.png", "git/a.png", "macosx/a.png", "v1.0.2.png"])
def test_ordinary_names_are_no_bookkeeping(name: str) -> None:
    assert not is_bookkeeping(Path(name))


def test_a_hidden_folder_that_the_pattern_names_is_meant() -> None:
    assert not is_bookkeeping(Path(".cache/a.png"), ".cache/*.png")
    assert is_bookkeeping(Path(".cache/.ipynb_checkpoints/a.png"), ".cache/**/*.png")


@pytest.mark.parametrize("left", LEFT_BEHIND)
def test_bookkeeping_below_a_glob_is_no_sample_whatever_its_kind(write_dataset: Writer, left: str) -> None:
    root = write_dataset(["a", "b"])
    for kind in ("images", "masks", "fov"):
        (root / "roads" / kind).mkdir(exist_ok=True)
        copy = root / "roads" / kind / left
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "roads/masks/a.png", copy)
    for key in "ab":
        shutil.copy(root / f"roads/masks/{key}.png", root / f"roads/fov/{key}.png")
    block = {"images": "images/**/*.png", "masks": "masks/**/*.png", "ignore_region": "fov/**/*.png"}
    reader = make_reader("roads", DatasetSettings.model_validate(block), root)
    assert [record.sample_id for record in reader.records()] == ["a", "b"]


@pytest.mark.parametrize("left", LEFT_BEHIND)
def test_bookkeeping_among_maps_and_among_images_to_refine_is_passed_over(tmp_path: Path, left: str) -> None:
    for name in ("maps/a.png", f"maps/{left}"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 80, np.uint8)).save(tmp_path / name, "png")
    assert len(MapFolder(tmp_path, "maps/**/*.png", None, MapReading())) == 1
    assert list(images_below(tmp_path / "maps", False, tmp_path / "out")) == ["a"]
    assert len(list(open_images(tmp_path / "maps", None))) == 1


def test_a_data_set_below_a_hidden_folder_is_read(tmp_path: Path) -> None:
    place = tmp_path / ".cache" / "__MACOSX"
    (place / "images").mkdir(parents=True)
    (place / "images/a.png").touch()
    assert find_files(place, "**/*.png", "images").files == [place / "images/a.png"]
    (place / "images/a.png").write_bytes(b"x")
    assert list(images_below(place, False, tmp_path / "out")) == ["images/a"]


@pytest.mark.parametrize("name", ["images [2024]", "what?", "a*b", "[raw]", "images [2024]/left"])
def test_an_existing_folder_is_a_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    np.save(tmp_path / name / "a.npy", np.full((4, 4), 0.5, np.float32))
    (tmp_path / name / "b.txt").touch()
    assert [path.name for path in find_files(tmp_path, name, "images").files] == ["a.npy", "b.txt"]
    assert [path.name for path in find_files(tmp_path, f"{name}/*.npy", "images").files] == ["a.npy"]
    assert "a" in MapFolder(tmp_path, name, None, MapReading())


def test_images_masks_and_regions_lie_in_folders_with_brackets(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    for name in ("images", "masks"):
        (root / "roads" / name).rename(root / "roads" / f"{name} [2024]")
    shutil.copytree(root / "roads/masks [2024]", root / "roads/fov?")
    block = {"images": "images [2024]", "masks": "masks [2024]", "ignore_region": "fov?"}
    reader = make_reader("roads", DatasetSettings.model_validate(block), root)
    assert [record.sample_id for record in reader.records()] == ["a", "b"]


def test_brackets_are_a_pattern_where_no_folder_has_that_name(tmp_path: Path) -> None:
    for name in ("scene1", "scene2", "scene3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").touch()
    assert len(find_files(tmp_path, "scene[12]", "images").files) == 2
    assert len(find_files(tmp_path, "scene[12]/*.png", "images").files) == 2


def test_files_inside_a_store_are_not_found_but_the_store_is(tmp_path: Path) -> None:
    (tmp_path / "maps/a.zarr/c").mkdir(parents=True)
    (tmp_path / "maps/a.zarr/c/0.png").touch()
    assert find_files(tmp_path, "maps/**/*", "folder").files == [tmp_path / "maps/a.zarr"]


def test_a_folder_that_has_only_sub_folders_names_them(tmp_path: Path) -> None:
    (tmp_path / "roads/images/north").mkdir(parents=True)
    reader = make_reader("roads", DatasetSettings(), tmp_path)
    with pytest.raises(UserError, match=r"no pictures.*sub-folders north.*glob"):
        reader.records()
