"""`prn init` finds annotations in the layouts that their programs make."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.discovery.proposal import Proposal, propose_block
from prn_pipeline.data.discovery.split_table import TABLE
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.records import Reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from tests.unit.data.annotation_writers import cvat_document, labelme_file, labelme_shape

SIZE = (48, 70)
TRIANGLE = "0 0.1 0.1 0.9 0.1 0.5 0.9\n"


def pictures(folder: Path, names: Iterable[str], suffix: str = ".jpg") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(folder / f"{name}{suffix}")


def labels(folder: Path, names: Iterable[str], text: str = TRIANGLE) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.txt").write_text(text)


def coco_file(path: Path, names: Iterable[str], crowd: int = 0, **further: Any) -> None:
    images = [{"id": place, "file_name": f"{name}.jpg", "height": 48, "width": 70} for place, name in enumerate(names)]
    one = {"category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "iscrowd": crowd}
    annotations = [{"id": image["id"], "image_id": image["id"], **one} for image in images]
    path.parent.mkdir(parents=True, exist_ok=True)
    categories = [{"id": 1, "name": "x"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories} | further))


def proposed(folder: Path) -> Proposal:
    return propose_block(folder.name, folder.parent, folder.name)


def reader(found: Proposal) -> Reader:
    return make_reader(found.name, DatasetSettings(**found.block), found.data_root)


def splits(found: Proposal) -> dict[str, str | None]:
    return {record.sample_id: record.split for record in reader(found).records()}


def annotations(found: Proposal) -> dict[str, Any]:
    keys: dict[str, Any] = found.block["annotations"]
    return keys


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "roads"
    made.mkdir()
    return made


def test_yolo_with_splits_below_images_and_labels(folder: Path) -> None:
    for split, names in (("train", "abcdef"), ("val", "gh")):
        pictures(folder / "images" / split, names)
        labels(folder / "labels" / split, names)
    (folder / "data.yaml").write_text("train: images/train\nval: images/val\nnames:\n  0: road\n")
    found = proposed(folder)
    assert annotations(found) == {
        "format": "yolo",
        "names": "data.yaml",
        "files": ["labels/train/*.txt", "labels/val/*.txt"],
    }
    assert splits(found) == dict.fromkeys("abcdef", "train") | dict.fromkeys("gh", "test")
    assert found.table == folder / TABLE


def test_yolo_with_images_and_labels_below_splits(folder: Path) -> None:
    """As Roboflow exports; every split numbers its images from 1."""
    for split in ("train", "valid", "test"):
        pictures(folder / split / "images", "12")
        labels(folder / split / "labels", "12")
    (folder / "data.yaml").write_text("train: ../train/images\nnc: 1\nnames: ['road']\n")
    (folder / "README.roboflow.txt").write_text("exported\n")
    found = splits(proposed(folder))
    assert found["valid_images_1"] == "val"
    assert sorted(filter(None, found.values())) == ["test", "test", "train", "train", "val", "val"]


def test_yolo_with_a_list_of_classes_among_the_labels(folder: Path) -> None:
    pictures(folder / "images", "abcdef")
    labels(folder / "labels", "abcde")
    labels(folder / "labels", "f", "")
    (folder / "labels/classes.txt").write_text("road\n")
    found = proposed(folder)
    assert annotations(found) == {"format": "yolo", "names": "labels/classes.txt", "files": ["labels/*.txt"]}
    assert found.samples == 6
    assert "outlines of 'road'" in found.notes[0]


def test_boxes_among_the_polygons_of_yolo_are_refused(folder: Path) -> None:
    pictures(folder / "images", "ab")
    labels(folder / "labels", "a")
    labels(folder / "labels", "b", "0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(UserError, match=r"labels/b\.txt: line 1 of images/b: a box"):
        proposed(folder)


def test_labels_whose_names_are_splits_give_no_split(folder: Path) -> None:
    pictures(folder / "images", ["train_1", "test_1", "test_2"])
    labels(folder / "labels", ["train_1", "test_1", "test_2"])
    found = proposed(folder)
    assert "split" not in found.block
    assert len(found.notes) == 1


def test_coco_as_roboflow_exports_it(folder: Path) -> None:
    for split, names in (("train", "abcd"), ("valid", "ef"), ("test", "gh")):
        pictures(folder / split, names)
        coco_file(folder / split / "_annotations.coco.json", names)
    found = proposed(folder)
    assert found.block["images"] == "*"
    assert splits(found) == {
        **dict.fromkeys("abcd", "train"),
        **dict.fromkeys("ef", "val"),
        **dict.fromkeys("gh", "test"),
    }


def test_coco_of_which_only_val_was_downloaded(folder: Path) -> None:
    pictures(folder / "val2017", "abc")
    pictures(folder / "test2017", "xyz")
    coco_file(folder / "annotations/instances_train2017.json", "defg")
    coco_file(folder / "annotations/instances_val2017.json", "abc")
    coco_file(folder / "annotations/person_keypoints_val2017.json", "abc")
    found = proposed(folder)
    assert annotations(found)["files"] == ["annotations/instances_val2017.json"]
    assert (found.block["images"], found.samples) == ("val2017", 3)
    assert "3 pictures in no annotation file: left out" in found.notes[1]


def test_images_that_are_missing_are_left_out_and_said(folder: Path) -> None:
    pictures(folder / "images", "abc")
    coco_file(folder / "instances.json", "abcd")
    found = proposed(folder)
    assert annotations(found)["missing"] == "leave_out"
    assert "1 annotated image missing" in found.notes[-1]


@pytest.mark.parametrize("format", ["yolo", "labelme"])
def test_an_annotation_file_whose_image_is_missing_is_left_out_and_said(format: str, folder: Path) -> None:
    pictures(folder / "images", "bcdefg")
    labels(folder / "labels", "abcdefg")
    if format == "labelme":
        shape = labelme_shape("road", [[1, 1], [20, 1], [20, 20]], "polygon")
        for name in "abcdefg":
            (folder / f"labels/{name}.txt").unlink()
            labelme_file(folder / f"labels/{name}.json", f"{name}.jpg", SIZE, [shape])
    found = proposed(folder)
    assert annotations(found)["missing"] == "leave_out"
    assert sorted(splits(found)) == list("bcdefg")
    assert "1 annotated image missing" in found.notes[-1]


@pytest.mark.parametrize("text", ["0 nan 0.1 0.9 0.1 0.5 0.9\n", "see the wiki\n"])
def test_a_strange_file_among_the_annotations_is_named(text: str, folder: Path) -> None:
    pictures(folder / "images", "abcdef")
    labels(folder / "labels", "abdef")
    labels(folder / "labels", "c", text)
    with pytest.raises(
        UserError, match=r"labels/c\.txt lies beside 5 annotation files of YOLO.*Correct it, or move it"
    ):
        proposed(folder)


@pytest.mark.parametrize("content", [b"", '{"images": []}'.encode("utf-16")])
def test_a_file_that_looks_like_no_annotations_is_counted_and_the_formats_are_named(
    content: bytes, folder: Path
) -> None:
    pictures(folder / "images", "abc")
    (folder / "instances.json").write_bytes(content)
    with pytest.raises(UserError, match=r"no masks \(found 3 \.jpg.*1 \.json.*annotations in UTF-8: JSON of COCO"):
        proposed(folder)


def test_annotations_of_other_images_are_refused(folder: Path) -> None:
    pictures(folder / "images", "abc")
    coco_file(folder / "instances.json", "xyz")
    with pytest.raises(UserError, match=r"with 3 images, such as x\.jpg, but none of these is among the 3 pictures"):
        proposed(folder)


def test_a_table_of_codes_beside_a_sample_of_a_submission(folder: Path) -> None:
    pictures(folder / "train_images", "abc")
    pictures(folder / "test_images", "xy")
    (folder / "train.csv").write_text("ImageId,ClassId,EncodedPixels\na.jpg,1,1 40\nb.jpg,2,9 9\nc.jpg,,\n")
    (folder / "sample_submission.csv").write_text("ImageId,EncodedPixels\nx.jpg,1 1\ny.jpg,1 1\n")
    found = proposed(folder)
    assert (found.block["images"], annotations(found)["files"]) == ("train_images", ["train.csv"])
    assert found.samples == 3


def test_labelme_with_images_in_their_own_folder(folder: Path) -> None:
    pictures(folder / "images", "abcdef")
    (folder / "json").mkdir()
    for name in "abcdef":
        shape = labelme_shape("road", [[1, 1], [20, 1], [20, 20]], "polygon")
        labelme_file(folder / f"json/{name}.json", f"../images/{name}.jpg", SIZE, [shape])
    found = proposed(folder)
    assert annotations(found) == {"format": "labelme", "files": ["json/*.json"]}
    assert found.samples == 6


def test_rectangles_alone_may_be_boxes(folder: Path) -> None:
    pictures(folder, "ab")
    for name in "ab":
        shape = labelme_shape("road", [[1, 1], [20, 20]], "rectangle")
        labelme_file(folder / f"{name}.json", f"{name}.jpg", SIZE, [shape])
    assert "if they are boxes around objects, they are no masks" in proposed(folder).notes[-1]


def test_cvat_with_images_in_folders(folder: Path) -> None:
    pictures(folder / "images/one", "a")
    pictures(folder / "images/two", "a")
    polygon = '<polygon label="x" points="1,1;9,1;9,9"></polygon>'
    images = "".join(
        f'<image id="0" name="{place}/a.jpg" width="70" height="48">{polygon}</image>' for place in ("one", "two")
    )
    (folder / "annotations.xml").write_text(cvat_document(["x"], images))
    found = proposed(folder)
    assert found.block["images"] == "images/*"
    assert set(splits(found)) == {"images_one_a", "images_two_a"}


def test_masks_are_taken_where_there_are_masks_too(folder: Path) -> None:
    pictures(folder / "images", "abc")
    for name in "abc":
        mask = np.zeros(SIZE, np.uint8)
        mask[:9] = 255
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / f"masks/{name}.png")
    assert proposed(folder).notes == ()
    coco_file(folder / "instances.json", "abc")
    found = proposed(folder)
    assert "annotations" not in found.block
    assert "the annotations of COCO beside them are not (instances.json)" in found.notes[-1]


def test_photos_of_masks_are_no_masks(folder: Path) -> None:
    """Whose names say mask, although they show people who wear one."""
    pictures(folder, ["with_mask_1", "with_mask_2", "without_1"])
    for name in ("with_mask_1", "with_mask_2", "without_1"):
        shape = labelme_shape("face", [[1, 1], [20, 1], [20, 20]], "polygon")
        labelme_file(folder / f"{name}.json", f"{name}.jpg", SIZE, [shape])
    assert annotations(proposed(folder))["format"] == "labelme"


def test_a_damaged_file_leaves_no_table(folder: Path) -> None:
    for split, names in (("train", "abcdef"), ("val", "gh")):
        pictures(folder / "images" / split, names)
        labels(folder / "labels" / split, names)
    (folder / "labels/val/h.txt").write_text("0 5 5 6 6 7 7\n")
    with pytest.raises(UserError, match=r"labels/val/h\.txt: line 1 of images/val/h: the coordinate 7"):
        proposed(folder)
    assert not (folder / TABLE).exists()


def test_nobody_is_warned_of_the_table_that_was_written_among_the_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures(tmp_path, "abcd")
    coco_file(tmp_path / "instances_train.json", "ab")
    coco_file(tmp_path / "instances_val.json", "cd")
    found = proposed(tmp_path)
    assert found.table == tmp_path / TABLE
    assert splits(found) == {"a": "train", "b": "train", "c": "test", "d": "test"}
    assert not caplog.messages
    (tmp_path / "notes.md").write_text("")
    splits(found)
    assert "left out 1 file of kinds that are not read as pictures: 1 .md." in caplog.text


def test_painted_objects_that_are_marked_as_crowds_are_foreground(folder: Path) -> None:
    pictures(folder / "images", "abc")
    coco_file(folder / "annotations/instances_default.json", "abc", crowd=1)
    found = proposed(folder)
    assert annotations(found)["crowd"] == "foreground"
    assert any("100 % of the annotations are marked as crowds" in note for note in found.notes)
    read = reader(found)
    assert all(read.mask(record).sum() > 0 for record in read.records())


def test_a_category_for_the_background_is_no_object(folder: Path) -> None:
    pictures(folder / "images", "abc")
    categories = [{"id": 0, "name": "Background"}, {"id": 1, "name": "cell"}]
    coco_file(folder / "all.json", "abc", categories=categories)
    found = proposed(folder)
    assert annotations(found)["categories"] == ["cell"]
    assert "Annotations of COCO for 3 images, with outlines of 'cell'." in found.notes


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "all.json",
            '{"dm_format_version": "1.0", "categories": {}, "items": []}',
            "annotations in Datumaro's own format",
        ),
        (
            "all.json",
            '{"images": [], "annotations": [{"segments_info": []}], "categories": []}',
            "COCO's panoptic format",
        ),
        ("a.jpg.json", '{"objects": [{"classTitle": "cell", "bitmap": {}}]}', "annotations of Supervisely"),
        ("all.json", '[{"annotations": [{"result": [{"from_name": "x"}]}]}]', "annotations of Label Studio"),
        (
            "a.xml",
            "<annotation><object><polygon><pt><x>1</x><y>1</y></pt></polygon></object></annotation>",
            "polygons in the XML of LabelMe's web version",
        ),
    ],
)
def test_formats_that_are_not_read_are_named(folder: Path, name: str, text: str, expected: str) -> None:
    pictures(folder / "images", "abc")
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=f"{expected}.* Export them as COCO instances, or as masks"):
        proposed(folder)


def test_files_without_any_outline_are_refused(folder: Path) -> None:
    pictures(folder / "images", "abc")
    coco_file(folder / "all.json", "abc", annotations=[])
    with pytest.raises(UserError, match="1 file of COCO for 3 images, without any outline"):
        proposed(folder)


def test_a_label_file_per_image_is_not_searched_for_pairs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [str(number) for number in range(60)]
    pictures(folder / "images", names)
    labels(folder / "labels", names)
    read: list[str] = []
    text = Inventory.text
    monkeypatch.setattr(Inventory, "text", lambda self, path: read.append(path.name) or text(self, path))
    assert annotations(proposed(folder))["format"] == "yolo"
    assert not read
