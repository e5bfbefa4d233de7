"""Layouts of data set folders, and the errors for those that cannot be read."""

import logging
import os
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

Writer = Callable[..., Path]


def records(root: Path, **block: Any) -> list[Record]:
    return make_reader("roads", DatasetSettings.model_validate(block), root).records()


def ids(root: Path, **block: Any) -> list[str]:
    return [record.sample_id for record in records(root, **block)]


def refusal(root: Path, **block: Any) -> str:
    with pytest.raises(UserError) as refused:
        records(root, **block)
    return str(refused.value)


def test_images_and_masks_are_paired_by_stem_and_sorted(write_dataset: Writer) -> None:
    first, second = records(write_dataset(["b", "a"]))
    assert first == Record("a", Path("roads/images/a.png"), Path("roads/masks/a.png"), None, None, "a")
    assert second.sample_id == "b"


def test_another_folder_name_can_be_given(write_dataset: Writer) -> None:
    assert ids(write_dataset(["a"], folder="streets"), folder="streets") == ["a"]


def test_hidden_files_are_ignored_and_upper_case_extensions_accepted(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    (root / "roads/images/.DS_Store").write_bytes(b"x")
    (root / "roads/images/._a.jpg").write_bytes(b"x")
    (root / "roads/images/b.png").rename(root / "roads/images/b.PNG")
    assert ids(root) == ["a", "b"]


def test_composed_and_decomposed_unicode_names_are_paired(write_dataset: Writer) -> None:
    name = "café_straße_道"
    root = write_dataset([name])
    image = root / "roads/images" / f"{name}.png"
    image.rename(image.with_name(unicodedata.normalize("NFD", image.name)))
    (record,) = records(root)
    reader = make_reader("roads", DatasetSettings(), root)
    assert record.sample_id == unicodedata.normalize("NFC", name)
    assert reader.image(record).shape == (12, 10, 3)


def test_a_file_name_that_is_not_utf_8_is_refused(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    strange = os.fsencode(root / "roads/images") + b"/caf\xe9"
    Path(os.fsdecode(strange + b".txt")).touch()
    assert ids(root) == ["a"], "it is no picture: its name is nobody's concern"
    Path(os.fsdecode(strange + b".png")).touch()
    assert "caf\\xe9.png': a file name that is not UTF-8" in refusal(root)


def test_a_missing_data_root_names_the_variable_to_set(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in message
    assert "PRN_DATA_ROOT" in message


def test_a_missing_data_set_folder_lists_the_folders_beside_it(write_dataset: Writer) -> None:
    message = refusal(write_dataset(["a"], folder="streets"))
    assert "no folder" in message
    assert "streets" in message
    assert "datasets.roads.folder" in message


def test_a_missing_images_folder_lists_the_folders_beside_it(write_dataset: Writer) -> None:
    message = refusal(write_dataset(["a"]), images="pictures")
    assert "pictures: no such folder" in message
    assert "images, masks" in message


def test_pictures_in_sub_folders_are_counted_with_the_key_that_reads_them(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_dataset(["a", "b", "c"])
    for kind in ("images", "masks"):
        (root / "roads" / kind / "more").mkdir()
        (root / "roads" / kind / "more" / ".cache").mkdir()
        file = root / "roads" / kind / "b.png"
        shutil.copy(file, root / "roads" / kind / "more" / ".cache")
        file.rename(root / "roads" / kind / "more" / "b.png")
    with caplog.at_level(logging.WARNING):
        assert ids(root) == ["a", "c"]
    assert "left out 1 picture in its sub-folders: images/more/b.png" in caplog.text
    block: dict[str, str] = {}
    for key in re.findall("`((?:images|masks): '.*?')`", caplog.text):
        block |= yaml.safe_load(key)
    caplog.clear()
    assert ids(root, **block) == ["a", "b", "c"]
    assert not caplog.text


def test_sub_folders_that_another_key_reads_are_not_left_out(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_dataset(["a", "b"])
    for file in (root / "roads/images").iterdir():
        file.rename(root / "roads" / file.name)
    (root / "roads/images").rmdir()
    with caplog.at_level(logging.WARNING):
        assert ids(root, images=".") == ["a", "b"]
    assert not caplog.text


def test_an_empty_folder_is_refused(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    (root / "roads/masks/a.png").unlink()
    message = refusal(root)
    assert "roads/masks: no pictures" in message
    assert "masks" in message


def test_a_folder_of_unsupported_files_names_their_kind(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    (root / "roads/images/a.png").rename(root / "roads/images/a.psd")
    message = refusal(root)
    assert "1 .psd" in message
    assert ".png" in message
    assert "Convert" in message


def test_one_image_of_an_unsupported_kind_is_named(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    (root / "roads/images/a.png").rename(root / "roads/images/a.dng")
    message = refusal(root)
    assert "without image: a.png" in message
    assert "a.dng" in message


def test_images_without_mask_and_masks_without_image_are_named_up_to_five(write_dataset: Writer) -> None:
    root = write_dataset([f"s{index}" for index in range(9)])
    for index in range(6):
        (root / f"roads/masks/s{index}.png").unlink()
    (root / "roads/images/s8.png").unlink()
    message = refusal(root)
    assert "6 image files without mask: s0.png, s1.png, s2.png, s3.png, s4.png, ..." in message
    assert "s5.png" not in message
    assert "1 mask file without image: s8.png" in message
    assert "pairing" in message


def test_two_files_for_one_id_are_refused(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    shutil.copy(root / "roads/images/a.png", root / "roads/images/a.jpg")
    message = refusal(root)
    assert "images/a.jpg and images/a.png" in message
    assert "rename" in message


def test_a_glob_over_folders_refuses_equal_names_unless_the_id_includes_the_folder(write_dataset: Writer) -> None:
    root = write_dataset(["a"], folder="roads/north")
    write_dataset(["a"], folder="roads/south")
    glob = {"images": "*/images", "masks": "*/masks"}
    assert "north/images/a.png and south/images/a.png" in refusal(root, **glob)
    pairing = {"by": "regex", "image": r"^(\w+)/images", "mask": r"^(\w+)/masks"}
    assert ids(root, **glob, pairing=pairing) == ["north", "south"]


def test_a_glob_of_files_takes_images_and_masks_from_one_folder(write_dataset: Writer, tmp_path: Path) -> None:
    write_dataset(["1", "2"])
    both = tmp_path / "roads"
    for key in "12":
        (both / f"images/{key}.png").rename(both / f"{key}_sat.png")
        (both / f"masks/{key}.png").rename(both / f"{key}_mask.png")
    pairing = {"by": "regex", "image": r"(\d+)_sat", "mask": r"(\d+)_mask"}
    assert ids(tmp_path, images="*_sat.png", masks="*_mask.png", pairing=pairing) == ["1", "2"]
    assert ids(tmp_path, images=".", masks=".", pairing=pairing) == ["1", "2"]


def test_files_that_no_expression_matches_are_left_out_with_a_warning(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_dataset(["1", "2", "overview"])
    pairing = {"by": "regex", "image": r"(\d+)", "mask": r"(\d+)"}
    with caplog.at_level(logging.WARNING):
        assert ids(root, pairing=pairing) == ["1", "2"]
    assert "images/overview.png" in caplog.text


@pytest.mark.parametrize(
    ("expression", "expected"),
    [("abc", "has no group"), ("(", "is not a regular expression"), ("(x+)_sat", "matches none of 2")],
)
def test_an_invalid_expression_is_refused(write_dataset: Writer, expression: str, expected: str) -> None:
    root = write_dataset(["1", "2"])
    message = refusal(root, pairing={"by": "regex", "image": expression, "mask": r"(\d+)"})
    assert expected in message


def test_split_folders_give_the_split(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"], folder="roads/train")
    write_dataset(["c"], folder="roads/test")
    assert [(r.sample_id, r.split) for r in records(root, split={"method": "folders"})] == [
        ("a", "train"),
        ("b", "train"),
        ("c", "test"),
    ]


def test_split_folders_with_equal_names_become_part_of_the_id(write_dataset: Writer) -> None:
    root = write_dataset(["1", "2"], folder="roads/train")
    write_dataset(["1"], folder="roads/test")
    assert ids(root, split={"method": "folders"}) == ["test_1", "train_1", "train_2"]


def test_a_missing_split_folder_is_named(write_dataset: Writer) -> None:
    root = write_dataset(["a"], folder="roads/train")
    assert "roads/test: no such folder of the test split" in refusal(root, split={"method": "folders"})


def test_ignore_regions_are_paired_like_masks_and_blank_the_mask(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    region = np.zeros((12, 10), np.uint8)
    region[3:9] = 255
    (root / "roads/fov").mkdir()
    Image.fromarray(region).save(root / "roads/fov/a.png")
    settings = DatasetSettings(ignore_region="fov")
    reader = make_reader("roads", settings, root)
    (record,) = reader.records()
    mask, plain = reader.mask(record), make_reader("roads", DatasetSettings(), root).mask(record_without_region(record))
    np.testing.assert_array_equal(mask == 255, region == 0)
    np.testing.assert_array_equal(mask[3:9], plain[3:9])

    Image.fromarray(region[1:]).save(root / "roads/fov/a.png")
    with pytest.raises(UserError, match=r"fov/a\.png.*11 x 10.*12 x 10"):
        reader.mask(record)
    (root / "roads/fov/a.png").rename(root / "roads/fov/b.png")
    assert "1 image file without ignore region: a.png" in refusal(root, ignore_region="fov")


def record_without_region(record: Record) -> Record:
    return Record(record.sample_id, record.image_path, record.mask_path, None, None, record.group)


def test_masks_follow_the_rule_and_an_error_without_one_names_the_file(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    Image.fromarray(np.array([[0, 3, 4, 11]], np.uint8)).save(root / "roads/masks/a.png")
    (record,) = records(root)
    settings = DatasetSettings.model_validate({"mask": {"values": [3, 4], "ignore_values": [11]}})
    np.testing.assert_array_equal(make_reader("roads", settings, root).mask(record), [[0, 1, 1, 255]])
    with pytest.raises(UserError, match=r"masks/a\.png.*0, 3, 4, 11.*values"):
        make_reader("roads", DatasetSettings(), root).mask(record)


def test_pages_of_a_mask_are_united_under_the_rule(write_dataset: Writer) -> None:
    root = write_dataset(["a"], size=(1, 4))
    (root / "roads/masks/a.png").unlink()
    pages = np.array([[[0, 2, 0, 9]], [[0, 0, 2, 2]], [[0, 3, 0, 0]]], np.uint8)
    tifffile.imwrite(root / "roads/masks/a.tif", pages, photometric="minisblack")
    (record,) = records(root)
    settings = DatasetSettings.model_validate({"mask": {"values": [2], "ignore_values": [9], "pages": "unite"}})
    np.testing.assert_array_equal(make_reader("roads", settings, root).mask(record), [[0, 1, 1, 1]])
    with pytest.raises(UserError, match=r"masks/a\.tif: a mask of 3 pages.*pages: unite"):
        make_reader("roads", DatasetSettings(), root).mask(record)


def test_an_error_about_a_grey_palette_names_its_levels(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    picture.putpalette([0, 0, 0, 127, 127, 127, 255, 255, 255])
    picture.save(root / "roads/masks/a.png")
    (record,) = records(root)
    with pytest.raises(UserError, match=r"\(0, 1, 2\).*grey levels 0, 127, 255.*palette: grey"):
        make_reader("roads", DatasetSettings(), root).mask(record)


def test_masks_may_be_numpy_arrays_where_there_are_no_pictures(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    reader = make_reader("roads", DatasetSettings(), root)
    expected = [reader.mask(record) for record in reader.records()]
    for name, mask in zip("ab", expected, strict=True):
        np.save(root / f"roads/masks/{name}.npy", mask == 1)
    assert len(records(root)) == 2, "arrays beside pictures are left out"
    for name in "ab":
        (root / f"roads/masks/{name}.png").unlink()
    for record, mask in zip(records(root), expected, strict=True):
        np.testing.assert_array_equal(reader.mask(record), mask)
    np.save(root / "roads/masks/a.npy", np.zeros((2, 12, 10)))
    with pytest.raises(UserError, match=r"a\.npy: a mask of shape \(2, 12, 10\)"):
        reader.mask(records(root)[0])


def test_images_that_are_arrays_are_refused_with_the_key_that_reads_them(write_dataset: Writer) -> None:
    root = write_dataset(["a"])
    (root / "roads/images/a.png").unlink()
    np.save(root / "roads/images/a.npy", np.zeros((12, 10, 3)))
    assert "`bands: {count: ...}`" in refusal(root)


def test_images_without_a_mask_are_an_error_left_out_or_background(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_dataset(["a", "b", "c"])
    (root / "roads/masks/b.png").unlink()
    assert "1 image file without mask: b.png" in refusal(root)
    assert ids(root, mask={"absent": "leave_out"}) == ["a", "c"]
    assert "1 of 3 images is without mask: left out, as not labelled (b.png)" in caplog.text
    reader = make_reader("roads", DatasetSettings.model_validate({"mask": {"absent": "background"}}), root)
    found = {record.sample_id: record for record in reader.records()}
    assert list(found) == ["a", "b", "c"]
    assert found["b"].mask_path is None
    assert reader.mask(found["b"]).shape == reader.image(found["b"]).shape[:2]
    assert not reader.mask(found["b"]).any()
    assert reader.examine(found["b"]).mask_facts.values == ()


def test_a_mask_without_an_image_stays_an_error(write_dataset: Writer) -> None:
    root = write_dataset(["a", "b"])
    (root / "roads/images/b.png").unlink()
    for absent in ("leave_out", "background"):
        assert "1 mask file without image: b.png" in refusal(root, mask={"absent": absent})
