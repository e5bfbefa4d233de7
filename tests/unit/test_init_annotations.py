"""Data sets with annotations in place of masks: `prn init` and `prn check` with nothing typed but the folder."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from scipy import ndimage

from prn_pipeline.commands import prn
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.pipelines.ingestion.nodes import ingest
from tests.unit.data.annotation_writers import (
    OF_OUTLINES,
    OF_PIXELS,
    Images,
    Objects,
    coco,
    compressed,
    save_images,
    uncompressed,
)
from tests.unit.own_project import enter_own_project

FILE = "conf/base/parameters_datasets.yml"
WRITERS = OF_PIXELS | OF_OUTLINES


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return enter_own_project(tmp_path, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data" / "my_cells"
    made.mkdir(parents=True)
    return made


def called(*command: str) -> Result:
    return CliRunner().invoke(prn, list(command))


def samples(count: int = 12) -> tuple[Images, Objects]:
    """Different images with a blob each, of two categories by turns; the last one shows none."""
    draw = np.random.default_rng(3)
    images = {f"{number:02d}": draw.integers(0, 255, (40, 50, 3), np.uint8) for number in range(count)}
    objects: dict[str, list[tuple[str, np.ndarray]]] = {name: [] for name in images}
    for number, name in enumerate(list(images)[:-1]):
        mask = np.zeros((40, 50), bool)
        mask[5 + number : 20 + number, 8:30] = True
        objects[name].append((("cell", "dust")[number % 2], ndimage.binary_opening(mask, iterations=2)))
    return images, objects


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_typed_but_the_folder(name: str, project: Path, folder: Path) -> None:
    WRITERS[name](folder, *samples())
    done = called("init", str(folder))
    assert done.exit_code == 0, done.output
    assert "Annotations of " in done.output or "run-length codes for 12 images" in done.output
    done = called("check", "my_cells")
    assert done.exit_code == 0, done.output
    assert "data set 'my_cells': 12 samples" in done.output
    assert "Images            12 of 12 files used" in done.output
    assert "0 in 12 masks, 1 in 11 masks" in done.output


def change_block(name: str, **keys: object) -> None:
    """Change keys of a block that `prn init` wrote."""
    blocks = yaml.safe_load(Path(FILE).read_text())
    blocks["datasets"][name].update(keys)
    Path(FILE).write_text(yaml.safe_dump(blocks))


def test_categories_become_classes(project: Path, folder: Path) -> None:
    coco(compressed)(folder, *samples())
    called("init", str(folder))
    change_block("my_cells", task="multiclass", classes=["nothing", "dust", "cell"])
    done = called("check", "my_cells")
    assert "0 in 12 masks, 1 in 5 masks, 2 in 6 masks" in done.output, done.output


def test_categories_are_picked_by_name(project: Path, folder: Path) -> None:
    coco(compressed)(folder, *samples())
    called("init", str(folder))
    keys = {"format": "coco", "files": ["annotations/*.json"]}
    split = {"method": "ratio", "val": 0.3, "test": 0.3}
    change_block("my_cells", annotations=keys | {"categories": ["dust"]}, split=split)
    done = called("check", "my_cells")
    assert "0 in 12 masks, 1 in 5 masks" in done.output, done.output
    assert "shapes of cell count as background" in done.output
    change_block("my_cells", annotations=keys | {"categories": ["dusk"]})
    done = called("check", "my_cells")
    assert done.exit_code == 1
    assert "unknown category 'dusk'; did you mean 'dust'? There are cell, dust" in done.output


def test_images_that_no_file_lists_are_left_out_and_said(project: Path, folder: Path) -> None:
    images, objects = samples()
    coco(compressed)(folder, images, objects)
    save_images(folder / "images", {"new": np.full((40, 50, 3), 7, np.uint8)})
    assert "1 picture in no annotation file: left out" in called("init", str(folder)).output
    done = called("check", "my_cells")
    assert "12 of 13 files used" in done.output
    assert "1 image in no annotation file (new.png)" in done.output
    assert done.output.count("1 of 13 images is in no annotation file: left out, as not labelled (images/new.png)") == 1


def test_boxes_are_refused_and_no_block_is_written(project: Path, folder: Path) -> None:
    images, objects = samples()
    coco(lambda mask: [])(folder, images, objects)
    before = (project / FILE).read_text()
    done = called("init", str(folder))
    assert done.exit_code == 1
    assert "annotation 1 of 00.png: it has a box, but no segmentation" in done.output
    assert (project / FILE).read_text() == before


def test_files_that_name_splits_give_the_split(project: Path, folder: Path) -> None:
    """instances_train.json and instances_val.json, as COCO itself has them."""
    images, objects = samples()
    coco(compressed)(folder, images, objects)
    whole = json.loads((folder / "annotations/instances.json").read_text())
    (folder / "annotations/instances.json").unlink()
    for split, wanted in (("train", range(1, 9)), ("val", range(9, 13))):
        part = whole | {
            "images": [one for one in whole["images"] if one["id"] in wanted],
            "annotations": [one for one in whole["annotations"] if one["image_id"] in wanted],
        }
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(part))
    (folder / "annotations/captions_train.json").write_text(json.dumps(whole | {"annotations": [], "categories": []}))
    done = called("init", str(folder))
    assert "val is used as test" in done.output, done.output
    done = called("check", "my_cells")
    assert done.exit_code == 0, done.output
    rows = [line.split()[:2] for line in done.output.splitlines()]
    assert [row for row in rows if row and row[0] in ("train", "val", "test")] == [
        ["train", "6"],
        ["val", "2"],
        ["test", "4"],
    ]


def test_polygons_need_the_extra(project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    OF_OUTLINES["YOLO"](folder, *samples())
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    done = called("init", str(folder))
    assert done.exit_code == 1
    assert "pycocotools is not installed: pip install 'prn_pipeline[formats]'" in done.output


def test_run_length_codes_need_no_extra(project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coco(uncompressed)(folder, *samples())
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    assert called("init", str(folder)).exit_code == 0


def test_ingestion_stores_the_masks_that_are_drawn(project: Path, folder: Path) -> None:
    images, objects = samples()
    coco(compressed)(folder, images, objects)
    settings = {"annotations": {"format": "coco", "files": ["annotations/instances.json"]}, "image_size": 50}
    stream, manifest, summary = ingest("my_cells", settings, str(folder.parent))
    stored = np.concatenate([batch["masks"] for batch in stream.batches])
    assert set(manifest["mask_path"]) == {"my_cells/annotations/instances.json"}
    assert summary["files"]["annotations"] == {"format": "COCO", "outlines": {"cell": 6, "dust": 5}}
    for row, name in enumerate(images):
        expected = sum((mask for _, mask in objects[name]), np.zeros((40, 50), int))
        np.testing.assert_array_equal(stored[row][::5], np.asarray(expected)[::4].astype(np.uint8))


def test_splits_may_be_folders_with_a_file_each(project: Path, folder: Path) -> None:
    images, objects = samples()
    for split, names in (("train", list(images)[:8]), ("test", list(images)[8:])):
        part = {name: images[name] for name in names}
        coco(compressed)(folder / split, part, {name: objects[name] for name in names})
    settings = DatasetSettings.model_validate(
        {
            "annotations": {"format": "coco", "files": ["annotations/instances.json"]},
            "split": {"method": "folders", "train": "train", "test": "test"},
        }
    )
    records = make_reader("my_cells", settings, folder.parent).records()
    assert [record.split for record in records] == ["train"] * 8 + ["test"] * 4
