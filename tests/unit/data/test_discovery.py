"""`prn init` understands a folder by itself, or says what it found and what was expected."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import yaml
from PIL import Image

from prn_pipeline.data.discovery.block_text import block_text
from prn_pipeline.data.discovery.matching import Part, match_files
from prn_pipeline.data.discovery.proposal import Proposal, propose_block
from prn_pipeline.data.discovery.split_table import TABLE
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

SIZE = (48, 50)  # height, width


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), 90, np.uint8)).save(path)


def mask(path: Path, values: Sequence[int] = (0, 255)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stripes = np.array(values, np.uint8)[np.arange(SIZE[1]) * len(values) // SIZE[1]]
    Image.fromarray(np.tile(stripes, (SIZE[0], 1))).save(path)


def pairs(folder: Path, image: str, truth: str, ids: Sequence[str] = ("a1", "b2", "c3")) -> None:
    for one in ids:
        picture(folder / image.format(one))
        mask(folder / truth.format(one))


def proposed(folder: Path) -> Proposal:
    return propose_block(folder.name, folder.parent, folder.name)


def records(found: Proposal) -> list[Record]:
    return make_reader(found.name, DatasetSettings(**found.block), found.data_root).records()


def splits(found: Proposal) -> dict[str, str | None]:
    return {record.sample_id: record.split for record in records(found)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "roads"
    made.mkdir()
    return made


def test_the_plain_layout_needs_a_size_alone(folder: Path) -> None:
    pairs(folder, "images/{}.png", "masks/{}.png")
    assert proposed(folder).block == {"image_size": 32}


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        *(("img", "gt"), ("JPEGImages", "SegmentationClass"), ("Photos", "Ground_Truth"), ("x", "y")),
        *(
            ("input", "Labels"),
            ("data/imgs", "data/annotations"),
            ("ISIC_Input", "ISIC_GroundTruth"),
            ("train", "train_masks"),
        ),
    ],
)
def test_folders_are_known_by_usual_names(images: str, masks: str, folder: Path) -> None:
    pairs(folder, images + "/{}.png", masks + "/{}.png")
    found = proposed(folder)
    assert (found.block["images"], found.block["masks"], found.samples) == (images, masks, 3)


@pytest.mark.parametrize("name", ["{}_mask.png", "mask_{}.png", "{}_GT.png", "{}.png"])
def test_masks_beside_their_images_are_known_by_their_names(name: str, folder: Path) -> None:
    pairs(folder, "{}.jpg", name)
    assert set(splits(proposed(folder))) == {"a1", "b2", "c3"}


def test_images_and_masks_of_one_format_in_one_folder_are_told_apart(folder: Path) -> None:
    pairs(folder, "{}.png", "{}_mask.png")
    assert [record.image_path.name for record in records(proposed(folder)) if record.image_path] == [
        *("a1.png", "b2.png", "c3.png")
    ]


def test_other_names_of_masks_in_their_own_folder_are_paired(folder: Path) -> None:
    pairs(folder, "images/road_{}.jpg", "masks/label_{}.png", ["1", "2", "3"])
    found = proposed(folder)
    assert found.samples == 3
    assert found.block["pairing"]["by"] == "regex"


def test_names_that_share_a_number_alone_are_paired_by_it(folder: Path) -> None:
    pairs(folder, "training/images/{}_training.png", "training/1st_manual/{}_manual1.png", ["21", "22"])
    pairs(folder, "test/images/{}_test.png", "test/1st_manual/{}_manual1.png", ["01", "02"])
    assert splits(proposed(folder)) == {"01": "test", "02": "test", "21": "train", "22": "train"}


def test_split_folders_become_the_split(folder: Path) -> None:
    for split in ("train", "Valid", "test"):
        pairs(folder, split + "/img/{}.jpg", split + "/gt/{}.png", ["1", "2"])  # every split numbers from 1
    found = proposed(folder)
    assert found.block["split"] == {"method": "folders", "train": "train", "val": "Valid", "test": "test"}
    assert splits(found)["val_1"] == "val"


def test_val_is_test_where_there_is_no_test(folder: Path) -> None:
    pairs(folder, "train/images/{}.jpg", "train/masks/{}.png")
    pairs(folder, "val/images/{}.jpg", "val/masks/{}.png", ["d", "e"])
    found = proposed(folder)
    assert found.block["split"] == {"method": "folders", "train": "train", "val": None, "test": "val"}
    assert any("no test split" in note for note in found.notes)


def test_a_test_folder_without_masks_is_left_out_and_said(folder: Path) -> None:
    pairs(folder, "train/images/{}.jpg", "train/masks/{}.png")
    picture(folder / "test/images/z.jpg")
    found = proposed(folder)
    assert found.samples == 3
    assert "test/images/: images without masks, left out" in found.notes[0]


def test_splits_below_images_and_masks_become_a_table(folder: Path) -> None:
    for split in ("train", "test"):
        pairs(folder, f"images/{split}/{{}}.jpg", f"masks/{split}/{{}}.png", ["1", "2"])
    found = proposed(folder)
    assert found.table == folder / TABLE
    assert splits(found) == {"test_1": "test", "test_2": "test", "train_1": "train", "train_2": "train"}


def test_class_folders_are_found_by_a_pattern(folder: Path) -> None:
    pairs(folder, "cat/img/{}.jpg", "cat/mask/{}.png", ["c1", "c2"])
    pairs(folder, "dog/img/{}.jpg", "dog/mask/{}.png", ["d1", "d2"])
    block = proposed(folder).block
    assert (block["images"], block["masks"]) == ("*/img", "*/mask")


def test_equal_names_below_images_and_masks_keep_their_folder(folder: Path) -> None:
    for kind in ("cat", "dog"):
        pairs(folder, f"images/{kind}/{{}}.jpg", f"masks/{kind}/{{}}.png", ["1", "2"])
    assert set(splits(proposed(folder))) == {"cat_1", "cat_2", "dog_1", "dog_2"}


@pytest.mark.parametrize(
    ("image", "masks"),
    [
        ("{}/images/photo.png", ("{}/masks/x.png", "{}/masks/y.png")),
        ("images/{}.png", ("masks/{}/1.png", "masks/{}/2.png")),
        ("{}.jpg", ("{}_mask_1.png", "{}_mask_2.png")),
    ],
)
def test_several_masks_of_an_image_are_united(image: str, masks: tuple[str, str], folder: Path) -> None:
    for one in ("a", "b", "c"):
        picture(folder / image.format(one))
        mask(folder / masks[0].format(one))
        mask(folder / masks[1].format(one), (255, 0))
    found = proposed(folder)
    assert found.block["mask"] == {"masks_per_image": "union"}
    assert found.samples == 3
    assert "Images have several masks each" in found.notes[0]


def test_lists_of_names_become_the_split(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    (folder / "train.txt").write_text("a1\nb2.jpg\n")
    (folder / "test.txt").write_text("c3\n")
    found = proposed(folder)
    assert found.block["split"] == {"method": "lists", "train": "train.txt", "val": None, "test": "test.txt"}
    assert splits(found) == {"a1": "train", "b2": "train", "c3": "test"}


def test_a_table_with_a_column_of_splits_becomes_the_split(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    (folder / "meta.csv").write_text("weather,file,Subset\nsun,a1.jpg,training\nrain,b2.jpg,valid\nsun,c3.jpg,test\n")
    assert splits(proposed(folder)) == {"a1": "train", "b2": "val", "c3": "test"}


def test_a_list_of_other_things_is_not_used_and_said(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    (folder / "train.txt").write_text("lr 0.1\n")
    (folder / "test.txt").write_text("lr 0.2\n")
    found = proposed(folder)
    assert "split" not in found.block
    assert ".txt is no list of one image per line" in found.notes[0]


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ((0, 1), {}),
        ((0, 255), {}),
        ((0, 1, 255), {"mask": {"ignore_values": [255]}}),
        ((0, 3, 120, 250, 255, 255, 254, 253, 255, 255), {"mask": {"threshold": 127}}),
        ((0, 1, 2), {"task": "multiclass", "classes": ["class_0", "class_1", "class_2"]}),
        (
            (0, 1, 2, 255),
            {"task": "multiclass", "classes": ["class_0", "class_1", "class_2"], "mask": {"ignore_values": [255]}},
        ),
    ],
)
def test_values_of_masks_decide_rule_and_task(values: tuple[int, ...], keys: dict[str, object], folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    for one in (folder / "masks").iterdir():
        mask(one, values)
    assert proposed(folder).block == {**keys, "image_size": 32}


def test_values_that_leave_the_foreground_open_are_said_with_the_key(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    mask(folder / "masks/a1.png", (0, 128, 200))
    found = proposed(folder)
    assert "mask" not in found.block
    assert "Masks hold 0, 128, 200, 255 in 3 masks" in found.notes[0]
    assert "set `mask: {values: [...]}`" in found.notes[0]


def test_a_folder_of_the_field_of_view_is_the_ignore_region(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    pairs(folder, "images/{}.jpg", "fov/{}.png")
    assert proposed(folder).block["ignore_region"] == "fov"


def test_a_field_of_view_that_fits_no_image_is_said_and_left_out(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    mask(folder / "fov/all.png")
    found = proposed(folder)
    assert "ignore_region" not in found.block
    assert "`ignore_region: fov` was not set" in found.notes[-1]


def test_of_two_folders_of_masks_the_usual_name_is_taken_and_the_other_said(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    pairs(folder, "images/{}.jpg", "masks_colour/{}.png")
    found = proposed(folder)
    assert found.samples == 3
    assert found.notes[0] == (
        "masks_colour/ may hold masks too; those of masks/ are used: set `masks` if that is wrong."
    )


def test_the_size_is_a_multiple_of_32_below_the_smaller_side(folder: Path) -> None:
    pairs(folder, "images/{}.png", "masks/{}.png")
    for one in ("a1", "b2", "c3"):
        Image.new("RGB", (240, 230)).save(folder / f"images/{one}.png")
        Image.new("L", (240, 230), 255).save(folder / f"masks/{one}.png")
    assert proposed(folder).block["image_size"] == 224


@pytest.mark.parametrize(
    ("sizes", "expected", "reason"),
    [
        ([(100, 110), (110, 100)], {"long_side": 96}, "height is 0.91 to 1.10 of the width"),
        ([(300, 400)] * 2, {"long_side": 384}, "height is 0.75 of the width"),
        ([(700, 400)] * 2, {"long_side": 512}, "height is 1.75 of the width"),
        ([(100, 109)] * 2, 96, "images are stretched to this height and width; the files have 100 x 109 (median)"),
    ],
)
def test_images_that_a_square_would_squeeze_keep_their_aspect(
    sizes: list[tuple[int, int]], expected: object, reason: str, folder: Path
) -> None:
    for number, (height, width) in enumerate(sizes):
        for kind, mode in (("images", "RGB"), ("masks", "L")):
            (folder / kind).mkdir(exist_ok=True)
            Image.new(mode, (width, height), "white").save(folder / f"{kind}/{number}.png")
    found = proposed(folder)
    assert found.block["image_size"] == expected
    line = next(one for one in block_text(found).splitlines() if "image_size" in one)
    assert reason in line.split("#")[1]


def test_the_text_of_a_block_is_yaml_of_the_same_settings(folder: Path) -> None:
    pairs(folder, "{}.png", "{}_mask.png")
    found = proposed(folder)
    assert yaml.safe_load(block_text(found)) == {"roads": found.block}


def test_a_wrong_path_and_a_file_are_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="roads/no: no such folder, expected the folder of a data set"):
        propose_block("no", folder, "no")
    (folder / "x.zip").write_bytes(b"")
    with pytest.raises(UserError, match=r"x\.zip: a file, expected the folder of a data set"):
        propose_block("x", folder, "x.zip")


def test_an_empty_folder_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no pictures \(found no file\)\. Expected images with one mask picture each"):
        proposed(folder)


def test_images_without_masks_are_refused_with_what_was_found(folder: Path) -> None:
    picture(folder / "images/a.jpg")
    picture(folder / "images/b.jpg")
    with pytest.raises(UserError, match=r"no masks \(found 2 \.jpg in images\)\. Expected"):
        proposed(folder)


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("labels/a.txt", "0 0.5 0.5 0.1 0.2\n", "holds boxes in the format of YOLO"),
        ("a.xml", "<annotation><bndbox></bndbox></annotation>", "format of Pascal VOC"),
    ],
)
def test_other_annotations_are_refused_with_their_name(file: str, text: str, named: str, folder: Path) -> None:
    picture(folder / "images/a.jpg")
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(text)
    with pytest.raises(UserError, match="images, but no masks") as caught:
        proposed(folder)
    assert named in str(caught.value)
    assert "Masks are needed, because boxes say nothing about outlines" in str(caught.value)


def test_files_without_a_partner_are_named(folder: Path) -> None:
    pairs(folder, "images/{}.jpg", "masks/{}.png")
    mask(folder / "masks/lonely.png")
    with pytest.raises(UserError, match=r"1 mask file without image: lonely\.png"):
        proposed(folder)


def test_colour_masks_are_refused_and_no_table_is_left(folder: Path) -> None:
    for split in ("train", "test"):
        pairs(folder, f"images/{split}/{{}}.jpg", f"masks/{split}/{{}}.png", ["1", "2"])
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)).save(folder / "masks/train/1.png")
    with pytest.raises(UserError, match=r"masks/train/1\.png"):
        proposed(folder)
    assert not (folder / TABLE).exists()


#: Images and masks that only a list could pair.
LISTED = {"a/1.jpg": "b/x.png", "a/2.jpg": "b/k.png", "a/3.jpg": "b/d.png"}


@pytest.mark.parametrize("before", ["", "/data/roads/"])
@pytest.mark.parametrize("separator", [" ", ","])
def test_lists_of_two_columns_pair_and_split(folder: Path, before: str, separator: str) -> None:
    for image, truth in LISTED.items():
        picture(folder / image)
        mask(folder / truth)
    lines = [f"{before}{image}{separator}{before}{truth}" for image, truth in LISTED.items()]
    (folder / "train.txt").write_text("\n".join(lines[:2]))
    (folder / "test.txt").write_text(lines[2])
    found = proposed(folder)
    assert found.block["pairing"] == {"by": "list", "files": ["test.txt", "train.txt"]}
    assert splits(found) == {"1": "train", "2": "train", "3": "test"}
    assert {record.mask_path for record in records(found)} == {Path("roads") / truth for truth in LISTED.values()}
    assert "Images and masks belong together as test.txt and train.txt say (`pairing`)." in found.notes


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_table_names_images_and_masks_in_any_order(folder: Path, separator: str) -> None:
    for image, truth in LISTED.items():
        picture(folder / image)
        mask(folder / truth)
    rows = [("label", "split", "photo"), *((truth, "train", image) for image, truth in LISTED.items())]
    (folder / "all.csv").write_text("\n".join(separator.join(row) for row in rows))
    found = proposed(folder)
    assert found.block["pairing"] == {"by": "list", "files": ["all.csv"], "image": "photo", "mask": "label"}
    assert {record.mask_path for record in records(found)} == {Path("roads") / truth for truth in LISTED.values()}


def test_a_list_is_believed_before_names(folder: Path) -> None:
    pairs(folder, "images/{}.png", "masks/{}.png", ids="123")
    (folder / "pairs.txt").write_text("".join(f"images/{one}.png masks/{4 - one}.png\n" for one in (1, 2, 3)))
    found = proposed(folder)
    assert found.block["pairing"] == {"by": "list", "files": ["pairs.txt"]}
    assert [record.mask_path for record in records(found)] == [Path(f"roads/masks/{4 - one}.png") for one in (1, 2, 3)]


def test_a_list_that_agrees_with_the_names_is_not_needed(folder: Path) -> None:
    pairs(folder, "images/{}.png", "masks/{}.png", ids="123")
    (folder / "pairs.txt").write_text("".join(f"images/{one}.png masks/{one}.png\n" for one in (1, 2, 3)))
    assert proposed(folder).block == {"image_size": 32}


def test_the_layout_of_cityscapes_gives_class_ids(folder: Path) -> None:
    for split in ("train", "val", "test"):
        for one in ("1", "2"):
            picture(folder / f"leftImg8bit/{split}/ulm/{split}_{one}_leftImg8bit.png")
            for stored, values in (("labelIds", (0, 7)), ("instanceIds", (0, 7001 % 256)), ("color", (0, 90))):
                mask(folder / f"gtFine/{split}/ulm/{split}_{one}_gtFine_{stored}.png", values)
    found = proposed(folder)
    assert found.block["masks"].endswith("_gtFine_labelIds.png")
    assert {name.rpartition("_")[0] for name in splits(found)} == {"train", "val", "test"}
    assert set(splits(found).values()) == {"train", "val", "test"}
    assert any("_labelIds.png are read" in note and "_color.png beside them are not" in note for note in found.notes)


def test_masks_of_several_objects_are_no_ways_to_store_one(folder: Path) -> None:
    for one in "123":
        picture(folder / f"images/{one}.png")
        for side in ("left", "right"):
            mask(folder / f"masks/{one}_{side}.png")
    assert proposed(folder).block["mask"] == {"masks_per_image": "union"}


def test_the_layout_of_kitti_gives_class_ids(folder: Path) -> None:
    for split in ("train", "test"):
        for one in ("1", "2"):
            picture(folder / f"{split}/image_2/{one}.png")
            mask(folder / f"{split}/semantic/{one}.png")
            picture(folder / f"{split}/semantic_rgb/{one}.png")
            mask(folder / f"{split}/instance/{one}.png")
    assert proposed(folder).block["masks"] == "semantic"


def test_images_that_nobody_labelled_are_left_out(folder: Path) -> None:
    pairs(folder, "imagesTr/road_{}_0000.png", "labelsTr/road_{}.png", ids=["001", "002", "003"])
    for one in ("051", "052"):
        picture(folder / f"imagesTs/road_{one}_0000.png")
    found = proposed(folder)
    assert found.block["mask"] == {"absent": "leave_out"}
    assert set(splits(found)) == {"001", "002", "003"}
    note = "2 images without mask: left out, as not labelled. If they show nothing, set `mask: {absent: background}`."
    assert note in found.notes


def test_a_split_without_masks_is_no_split(folder: Path) -> None:
    pairs(folder, "train/{}_sat.jpg", "train/{}_mask.png", ids=["1", "2", "3"])
    picture(folder / "valid/7_sat.jpg")
    assert "split" not in proposed(folder).block


def test_mostly_missing_masks_are_an_error(folder: Path) -> None:
    pairs(folder, "images/{}.png", "masks/{}.png", ids="123")
    for one in "45678":
        picture(folder / f"images/{one}.png")
    with pytest.raises(UserError, match=r"5 image files without mask: .* `mask: {absent: leave_out}`"):
        proposed(folder)


def test_of_two_people_who_drew_the_first_is_read(folder: Path) -> None:
    for one in ("01L", "01R", "02L"):
        picture(folder / f"Image_{one}.jpg")
        for who in ("1stHO", "2ndHO"):
            mask(folder / f"Image_{one}_{who}.png")
    found = proposed(folder)
    assert found.block["masks"] == "*_1stHO.png"
    assert "Masks such as Image_01L_1stHO.png are read, Image_01L_2ndHO.png beside them are not." in found.notes


def test_further_masks_of_some_images_are_united(folder: Path) -> None:
    pairs(folder, "benign/benign ({}).png", "benign/benign ({})_mask.png", ids="123")
    pairs(folder, "normal/normal ({}).png", "normal/normal ({})_mask.png", ids="12")
    mask(folder / "benign/benign (1)_mask_1.png")
    found = proposed(folder)
    assert found.block["mask"] == {"masks_per_image": "union"}
    assert len(splits(found)) == 5


def test_images_may_end_in_digits_beside_their_masks(folder: Path) -> None:
    for start in ("train", "testA"):
        pairs(folder, start + "_{}.bmp", start + "_{}_anno.bmp", ids="123")
    assert len(splits(proposed(folder))) == 6


@pytest.mark.parametrize(
    "content",
    [b"x" * 300_000, b'"' + b"y," * 200_000, b"\0\1\2 \0", b"\xff\xfe", b"", b"a;b;c\n1\n", b"images/a1.png\n"],
)
@pytest.mark.parametrize("name", ["notes.txt", "table.csv", "README"])
def test_other_texts_are_no_lists(folder: Path, name: str, content: bytes) -> None:
    pairs(folder, "images/{}.png", "masks/{}.png")
    (folder / name).write_bytes(content)
    assert proposed(folder).block == {"image_size": 32}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_of_splits_may_have_any_usual_separator(folder: Path, separator: str) -> None:
    pairs(folder, "images/{}.png", "masks/{}.png", ids="123")
    rows = [("split", "file"), ("train", "1.png"), ("train", "2.png"), ("test", "3.png")]
    (folder / "all.csv").write_text("\n".join(separator.join(row) for row in rows))
    assert splits(proposed(folder)) == {"1": "train", "2": "train", "3": "test"}


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_second_mask_of_one_image_is_not_united_with_the_first(tmp_path: Path, kind: str) -> None:
    masks = [PurePosixPath(f"masks/{number}.{'tif' if number == 3 else 'png'}") for number in range(8)]
    images = [PurePosixPath(f"images/{number}.jpg") for number in range(8)]
    second = PurePosixPath(f"masks/3.{kind}")
    with pytest.raises(UserError, match=rf"two mask files have one name: masks/3.{kind} and masks/3.tif"):
        match_files([Part(tmp_path, images, [*masks, second])])
    assert match_files([Part(tmp_path, images, masks)]) == (None, False, 0)


def test_names_that_differ_in_case_only_are_refused_and_not_numbered(tmp_path: Path) -> None:
    images = [PurePosixPath(f"images/im_{number:03}.png") for number in range(8)]
    masks = [PurePosixPath(f"masks/{'IM' if number == 3 else 'im'}_{number:03}.png") for number in range(8)]
    with pytest.raises(UserError, match=r"differ in upper and lower case: IM_003, im_003. Rename the files"):
        match_files([Part(tmp_path, images, masks)])
