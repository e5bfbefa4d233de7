"""Images are read as the data set would have stored them: scale, pages, order, and the error that names each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.errors import UserError
from prn_pipeline.serving.sources import TOO_BRIGHT, decoded, open_images

DRAW = np.random.default_rng(0)
WHITE = 4095
WIDE = DRAW.integers(0, WHITE + 1, (8, 6), dtype=np.uint16)
RGB = DRAW.integers(0, 256, (8, 6, 3), dtype=np.uint8)


def one(source: Any, *reading: Any) -> np.ndarray:
    (found,) = open_images(source, *reading)
    return found


def scaled(wide: np.ndarray, white: int = WHITE) -> np.ndarray:
    return np.rint(np.minimum(wide, white) * (255 / white)).astype(np.uint8)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_wide_arrays_and_files_are_scaled_by_the_white_of_training(tmp_path: Path, channels: int) -> None:
    wide = WIDE if not channels else np.stack([np.roll(WIDE, shift) for shift in range(channels)], axis=2)
    expected = scaled(np.stack([WIDE] * 3, 2) if channels != 3 else wide)
    assert (one([wide], None, WHITE) == expected).all()
    tifffile.imwrite(tmp_path / "wide.tif", wide, photometric="rgb" if channels == 3 else "minisblack")
    assert (one(tmp_path / "wide.tif", None, WHITE) == expected).all()
    assert (decoded(tmp_path / "wide.tif", None, WHITE) == expected).all()
    assert one([wide], None, WHITE).dtype == np.uint8


def test_pictures_of_eight_bits_are_not_scaled(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    for source in ([RGB], tmp_path / "rgb.png", tmp_path):
        for white in (None, WHITE):
            assert (one(source, None, white) == RGB).all()


def test_a_predictor_without_a_scale_refuses_wide_pictures(tmp_path: Path) -> None:
    Image.fromarray(WIDE).save(tmp_path / "wide.png")
    with pytest.raises(UserError) as caught:
        one(tmp_path / "wide.png", None)
    assert str(caught.value).startswith(f"{tmp_path / 'wide.png'}: a 16-bit picture, but this predictor has learned")
    with pytest.raises(UserError, match=r"image 0 is an array of uint16 \(8, 6, 3\); expected uint8"):
        one([np.stack([WIDE] * 3, 2)], None)


def test_pictures_on_another_scale_are_refused_and_bright_spots_are_not(tmp_path: Path) -> None:
    bright = np.zeros((10, 10), np.uint16)
    bright.flat[: int(100 * TOO_BRIGHT)] = 9000
    assert (one([bright], None, WHITE)[..., 0] == scaled(bright)).all()
    bright.flat[: int(100 * TOO_BRIGHT) + 1] = 9000
    message = rf"values up to 9000, and more than 25% of them above {WHITE}, which was white in training"
    with pytest.raises(UserError, match=f"image 1: {message}"):
        list(open_images([WIDE, bright], None, WHITE))
    Image.fromarray(bright).save(tmp_path / "bright.png")
    with pytest.raises(UserError, match=rf"bright\.png: {message}"):
        one(tmp_path / "bright.png", None, WHITE)
    white = np.full((10, 10), WHITE, np.uint16)
    assert (one([white], None, WHITE) == 255).all(), "white itself is not above white"


@pytest.mark.parametrize(
    ("wrong", "described"),
    [
        (np.zeros((8, 6, 2), np.uint16), r"uint16 \(8, 6, 2\)"),
        (np.zeros((0, 6, 3), np.uint8), r"uint8 \(0, 6, 3\)"),
        (np.zeros((0, 6), np.uint16), r"uint16 \(0, 6\)"),
        (np.zeros((8, 6, 3), np.int16), r"int16 \(8, 6, 3\)"),
        (np.zeros((8,), np.uint16), r"uint16 \(8,\)"),
    ],
)
def test_arrays_that_are_no_pictures_are_named_by_their_index(wrong: np.ndarray, described: str) -> None:
    with pytest.raises(UserError, match=rf"^image 2 is an array of {described}; expected uint8 \(height, width, 3\)"):
        list(open_images([RGB, RGB, wrong], None, WHITE))


@pytest.mark.parametrize("first_page", [True, False])
def test_the_first_of_several_pages_is_read_where_the_data_set_did(tmp_path: Path, first_page: bool) -> None:
    other = 255 - RGB
    tifffile.imwrite(tmp_path / "pages.tif", np.stack([RGB, other]), photometric="rgb")
    for read in (lambda *r: one(tmp_path / "pages.tif", *r), lambda *r: decoded(tmp_path / "pages.tif", *r)):
        if first_page:
            assert (read(None, None, True) == RGB).all()
        else:
            with pytest.raises(UserError, match="an image of 2 pages"):
                read(None, None, False)
            with pytest.raises(UserError, match="an image of 2 pages"):
                read(None)


def test_arrays_lists_files_and_folders_may_be_mixed_and_keep_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    images = [np.full((4, 4, 3), value, np.uint8) for value in range(6)]
    for name, image in (("b.png", images[1]), ("a.PNG", images[0])):
        Image.fromarray(image).save(folder / name, "PNG")
    (folder / "notes.txt").write_text("no image")
    Image.fromarray(images[2]).save(tmp_path / "c.png")
    found = list(open_images([folder, str(tmp_path / "c.png"), [images[3]], np.stack(images[4:])], None))
    assert [int(image.max()) for image in found] == [0, 1, 2, 3, 4, 5]


def test_a_folder_without_images_and_missing_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match=r": 1 files, but no image among them \(.*\.bmp, .*\.webp\)$"):
        list(open_images(tmp_path, None))
    for source in (tmp_path / "a.png", str(tmp_path / "a.png")):
        with pytest.raises(UserError, match=r"a\.png: no such file$"):
            list(open_images([source], None))
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(UserError, match=r"link\.png: .*link"):
        decoded(tmp_path / "link.png", None)


def test_bands_of_arrays_and_files_get_the_range_of_the_data_set(tmp_path: Path) -> None:
    bands = BandSettings(count=4, low=0, high=1000)
    values = DRAW.integers(0, 1001, (5, 7, 4)).astype(np.uint16)
    np.save(tmp_path / "a.npy", values)
    expected = np.rint(values / 1000 * 65535)
    for found in (one([values], bands), one(tmp_path, bands), decoded(tmp_path / "a.npy", bands)):
        assert found.dtype == np.uint16
        assert np.abs(found - expected).max() <= 1
    with pytest.raises(UserError, match=r"^image 1: an array of shape \(5, 7, 3\), expected \(height, width, 4\)"):
        list(open_images([values, values[..., :3]], bands))
