"""Several mask files of one image."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.masks import united
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError

UNION = {"masks_per_image": "union"}


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def square(left: int, value: int = 255) -> np.ndarray:
    mask = np.zeros((8, 10), np.uint8)
    mask[2:5, left : left + 3] = value
    return mask


def reader_of(root: Path, **block: Any) -> Any:
    return make_reader("set", DatasetSettings.model_validate(block), root)


@pytest.fixture
def busi(tmp_path: Path) -> Path:
    """As in BUSI: `benign (1).png`, `benign (1)_mask.png`, `benign (1)_mask_1.png` in one folder."""
    for number in (1, 2):
        save(tmp_path / f"set/benign ({number}).png", np.full((8, 10, 3), 9, np.uint8))
        save(tmp_path / f"set/benign ({number})_mask.png", square(0))
    save(tmp_path / "set/benign (1)_mask_1.png", square(6))
    save(tmp_path / "set/benign (1)_mask_2.png", square(2))
    return tmp_path


BUSI = {
    "images": ".",
    "masks": ".",
    "pairing": {"by": "regex", "image": r"^([^_]+)\.png$", "mask": r"^([^_]+)_mask(?:_\d+)?\.png$"},
}


def test_numbered_masks_are_united_by_the_key(busi: Path) -> None:
    reader = reader_of(busi, **BUSI, mask=UNION)
    first, second = reader.records()
    expected = (square(0) | square(6) | square(2)) // 255
    np.testing.assert_array_equal(reader.mask(first), expected)
    np.testing.assert_array_equal(reader.mask(second), square(0) // 255)


def test_without_the_key_the_error_names_it(busi: Path) -> None:
    with pytest.raises(UserError, match=r"more than one mask file.*mask: \{masks_per_image: union\}"):
        reader_of(busi, **BUSI).records()


def test_a_folder_per_image_with_a_mask_per_nucleus_is_read(tmp_path: Path) -> None:
    for key, lefts in {"ab12": (0, 4, 7), "cd34": (3,)}.items():
        save(tmp_path / f"set/{key}/images/{key}.png", np.full((8, 10, 3), 9, np.uint8))
        for left in lefts:
            save(tmp_path / f"set/{key}/masks/{left:032x}.png", square(left))
    pairing = {"by": "regex", "image": r"^(\w+)/images/", "mask": r"^(\w+)/masks/"}
    block = {"images": "*/images", "masks": "*/masks", "pairing": pairing, "mask": UNION}
    reader = reader_of(tmp_path, **block)
    nuclei, single = reader.records()
    assert [nuclei.sample_id, single.sample_id] == ["ab12", "cd34"]
    np.testing.assert_array_equal(reader.mask(nuclei), (square(0) | square(4) | square(7)) // 255)
    np.testing.assert_array_equal(reader.mask(single), square(3) // 255)


def test_two_images_of_one_key_stay_an_error(busi: Path) -> None:
    save(busi / "set/benign (1).bmp", np.full((8, 10, 3), 9, np.uint8))
    pairing = BUSI["pairing"] | {"image": r"^([^_]+)\.\w+$"}  # type: ignore[operator]
    with pytest.raises(UserError, match="more than one image file") as refused:
        reader_of(busi, **{**BUSI, "pairing": pairing}, mask=UNION).records()
    assert "masks_per_image" not in str(refused.value)


def test_files_of_a_united_mask_need_contents_and_one_size(busi: Path) -> None:
    save(busi / "set/benign (1)_mask_2.png", square(2)[:5])
    reader = reader_of(busi, **BUSI, mask=UNION)
    with pytest.raises(UserError, match="8 x 10 and 5 x 10 pixels"):
        reader.mask(reader.records()[0])
    (busi / "set/benign (1)_mask_2.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of 6 files are not here.*mask_2"):
        reader.records()


def test_ignore_regions_are_united_too(tmp_path: Path) -> None:
    save(tmp_path / "set/images/a.png", np.full((8, 10, 3), 9, np.uint8))
    save(tmp_path / "set/masks/a_1.png", square(0))
    for number, left in enumerate((0, 5)):
        save(tmp_path / f"set/fov/a_{number}.png", square(left, value=1 + 254 * number))
    pairing = {"by": "regex", "image": r"(\w)\.png", "mask": r"(\w)_\d"}
    reader = reader_of(tmp_path, pairing=pairing, mask=UNION, ignore_region="fov")
    mask = reader.mask(reader.records()[0])
    np.testing.assert_array_equal(mask != 255, (square(0) | square(5)) > 0)


def test_foreground_wins_over_ignored_and_ignored_over_background() -> None:
    one, other = np.array([[0, 0, 255, 1, 1]], np.uint8), np.array([[0, 255, 255, 255, 0]], np.uint8)
    np.testing.assert_array_equal(united([one, other]), [[0, 255, 255, 1, 1]])
    np.testing.assert_array_equal(united([other, one]), [[0, 255, 255, 1, 1]])


def test_class_ids_are_united_unless_they_disagree() -> None:
    roads, cars = np.array([[0, 3, 0]], np.uint8), np.array([[8, 0, 0]], np.uint8)
    np.testing.assert_array_equal(united([roads, cars]), [[8, 3, 0]])
    with pytest.raises(UserError, match="different classes for 1 pixels"):
        united([roads, np.array([[8, 8, 0]], np.uint8)])


def test_settings_that_unite_nothing_are_stored_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert "masks_per_image" not in DatasetSettings().model_dump(mode="json")["mask"]
    united_settings = DatasetSettings.model_validate({"mask": UNION})
    assert DatasetSettings.model_validate(united_settings.model_dump(mode="json")) == united_settings
