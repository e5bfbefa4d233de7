"""Lists that name an image and its mask in each line, as people write them."""

from pathlib import Path
from typing import Any

import pytest

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.listed_names import image_names, resolved
from prn_pipeline.data.readers.records import Record
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from tests.unit.data.test_discovery import mask, picture

#: Image -> mask; no rule on names would pair them.
PAIRS = {"photos/007.jpg": "drawn/x9.png", "photos/008.jpg": "drawn/k2.png", "photos/009.jpg": "drawn/a5.png"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "roads"
    for image, truth in PAIRS.items():
        picture(made / image)
        mask(made / truth)
    return made


def records(folder: Path, text: str, name: str = "pairs.txt", **block: Any) -> list[Record]:
    (folder / name).write_text(text, encoding="utf-8")
    pairing = {"by": "list", "files": [name]} | block.pop("pairing", {})
    settings = {"images": "photos", "masks": "drawn", "pairing": pairing} | block
    return make_reader("roads", DatasetSettings.model_validate(settings), folder.parent).records()


def found(folder: Path, text: str, name: str = "pairs.txt", **block: Any) -> dict[str, str]:
    return {str(record.image_path)[6:]: str(record.mask_path)[6:] for record in records(folder, text, name, **block)}


def refusal(folder: Path, text: str, **block: Any) -> str:
    with pytest.raises(UserError) as refused:
        records(folder, text, **block)
    return str(refused.value)


@pytest.mark.parametrize("separator", [" ", "   ", "\t", ",", ", ", ";"])
def test_columns_are_separated_in_any_usual_way(folder: Path, separator: str) -> None:
    assert found(folder, "".join(f"{image}{separator}{truth}\n" for image, truth in PAIRS.items())) == PAIRS


@pytest.mark.parametrize("before", ["/", "./", "../data/roads/", "C:\\work\\roads\\", "roads/"])
def test_paths_may_begin_in_a_folder_above(folder: Path, before: str) -> None:
    assert found(folder, "".join(f"{before}{image} {before}{truth}\n" for image, truth in PAIRS.items())) == PAIRS


def test_names_alone_and_further_columns_will_do(folder: Path) -> None:
    text = "".join(f"{Path(image).name}\t{Path(truth).stem}\tsunny\n" for image, truth in PAIRS.items())
    assert found(folder, text) == PAIRS


def test_names_may_hold_spaces(folder: Path) -> None:
    for old, new in (("photos/007.jpg", "photos/on the hill 7.jpg"), ("drawn/x9.png", "drawn/x 9.png")):
        (folder / old).rename(folder / new)
    text = "photos/on the hill 7.jpg drawn/x 9.png\nphotos/008.jpg drawn/k2.png\nphotos/009.jpg drawn/a5.png\n"
    assert found(folder, text)["photos/on the hill 7.jpg"] == "drawn/x 9.png"


def test_columns_of_a_table_are_named(folder: Path) -> None:
    text = "id;truth;photo\n" + "".join(f"1;{truth};{image}\n" for image, truth in PAIRS.items())
    columns = {"image": "photo", "mask": "truth"}
    assert found(folder, text, "pairs.csv", pairing=columns) == PAIRS
    assert "no column 'mask'; it has 'id', 'truth', 'photo'" in refusal(
        folder, text, pairing=columns | {"mask": "mask"}
    )
    with pytest.raises(ValueError, match="name both columns"):
        records(folder, text, pairing={"image": "photo"})


def test_the_sample_id_is_the_name_of_the_image_or_its_path_if_two_share_it(folder: Path) -> None:
    text = "".join(f"{image} {truth}\n" for image, truth in PAIRS.items())
    assert [record.sample_id for record in records(folder, text)] == ["007", "008", "009"]
    picture(folder / "photos/night/007.jpg")
    mask(folder / "drawn/night.png")
    text += "photos/night/007.jpg drawn/night.png\n"
    ids = [record.sample_id for record in records(folder, text, images="photos/**/*.jpg")]
    assert ids == ["008", "009", "photos_007", "photos_night_007"]


def test_images_and_masks_may_share_a_folder_and_a_pattern(folder: Path) -> None:
    text = "".join(f"{image} {truth}\n" for image, truth in PAIRS.items())
    assert found(folder, text, images="*/*", masks="*/*") == PAIRS


def test_files_that_no_line_names_are_left_out_with_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "".join(f"{image} {truth}\n" for image, truth in list(PAIRS.items())[:2])
    assert len(found(folder, text)) == 2
    assert "left out 2 files that no line of `pairing.files` names: drawn/a5.png, photos/009.jpg" in caplog.text


def test_a_line_without_its_file_is_named(folder: Path) -> None:
    text = "".join(f"{image} {truth}\n" for image, truth in PAIRS.items())
    (folder / "drawn/k2.png").unlink()
    message = refusal(folder, text)
    assert "1 line of 3 without mask file: drawn/k2.png (line 2). Add the file" in message
    # a file of the same name elsewhere is not taken for it
    mask(folder / "drawn/old/k2.png")
    assert "1 line of 3 without mask file" in refusal(folder, text, masks="drawn/**/*.png")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("007.jpg x9.png\n008.jpg x9.png\n", "the mask x9.png is paired with both 007.jpg and 008.jpg"),
        ("007.jpg x9.png\n007.jpg k2.png\n", "1 sample id stands for more than one mask file"),
        ("seven nine\n", "no line names an image and its mask"),
        ("007.jpg\n008.jpg\n", "no line names an image and its mask"),
        ("", "no line names an image and its mask"),
    ],
)
def test_a_list_that_is_none_is_refused(folder: Path, text: str, expected: str) -> None:
    assert expected in refusal(folder, text)


def test_a_missing_list_is_refused(folder: Path) -> None:
    assert "none.txt: no such file. Put it there, or correct `pairing.files`" in refusal(
        folder, "", pairing={"files": ["none.txt"]}
    )


def test_lists_of_pairs_are_lists_of_a_split_too(folder: Path) -> None:
    lines = [f"/old/place/{image} /old/place/{truth}" for image, truth in PAIRS.items()]
    (folder / "train.txt").write_text("\n".join(lines[:2]))
    split = {"method": "lists", "train": "train.txt", "test": "test.txt"}
    pairing = {"files": ["train.txt", "test.txt"]}
    read = records(folder, lines[2], "test.txt", pairing=pairing, split=split)
    assert {record.sample_id: record.split for record in read} == {"007": "train", "008": "train", "009": "test"}


def test_all_names_lose_as_many_folders_and_no_more_than_needed() -> None:
    known = {"train_1": "train_1", "test_2": "test_2", "2": "test_2"}
    assert resolved(["a/train/1", "a/test/2"], known) == ["train_1", "test_2"]
    # 2 alone is known, but that line names another folder
    assert resolved(["a/train/1", "a/val/2"], known) == ["train_1", None]
    assert resolved(["b/9"], known) == [None]


def test_a_line_is_an_id_before_it_is_columns() -> None:
    known = {"7, old": "7, old", "7": "7"}
    assert image_names(["7, old"], known) == ["7, old"]
    assert image_names(["7, new"], known) == ["7"]
    assert image_names(["eight"], known) == ["eight"]
