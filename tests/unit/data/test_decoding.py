"""Files of every format are decoded as a viewer shows them; damaged files are refused by name."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from prn_pipeline.data.readers.decoding import decode_image, decode_mask
from prn_pipeline.data.readers.opening import explaining
from prn_pipeline.errors import UserError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def grey_as_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([grey] * 3, axis=-1)


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "a.bmp", "a.tif", "a.TIFF", "a.ppm", "straße 道.png"])
def test_lossless_colour_comes_back_as_stored(tmp_path: Path, name: str) -> None:
    Image.fromarray(COLOUR).save(tmp_path / name)
    image = decode_image(tmp_path / name)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, COLOUR)


def test_grey_is_repeated_over_three_channels(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), grey_as_rgb(GREY))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bit_grey_is_scaled_so_that_white_stays_white(tmp_path: Path, name: str) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / name)
    np.testing.assert_array_equal(decode_image(tmp_path / name), grey_as_rgb(GREY))


def test_eight_bit_values_in_a_sixteen_bit_file_are_not_scaled(tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), grey_as_rgb(GREY))


def test_alpha_is_dropped_over_its_own_colour(tmp_path: Path) -> None:
    rgba = np.dstack([COLOUR, np.zeros((6, 8), np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), COLOUR)


def test_palette_and_one_bit_images_show_their_colours(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 1, 2, 3])
    picture.save(tmp_path / "p.png", transparency=1)
    expected = [[[255, 0, 0], [0, 255, 0]], [[1, 2, 3], [0, 255, 0]]]
    np.testing.assert_array_equal(decode_image(tmp_path / "p.png"), expected)
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "b.png")
    np.testing.assert_array_equal(decode_image(tmp_path / "b.png"), [[[255] * 3, [0] * 3]])


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    image = decode_image(tmp_path / "a.jpg").astype(int)
    assert image.shape == (8, 8, 3)
    assert np.abs(image - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, -1), (3, 2), (8, 1)])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(GREY).save(tmp_path / "m.png", exif=exif)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.png"), np.rot90(COLOUR, turns))
    np.testing.assert_array_equal(decode_mask(tmp_path / "m.png"), np.rot90(GREY, turns))


def test_palette_masks_give_class_ids(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 15], [2, 1, 0]], np.uint8)
    picture = Image.fromarray(ids, mode="P")
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [7, 8, 9] * 13)
    picture.save(tmp_path / "voc.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "voc.png"), ids)


def test_a_grey_palette_gives_grey_levels_in_any_order(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1, 1]], np.uint8), mode="P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    picture.save(tmp_path / "white_first.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "white_first.png"), [[255, 0, 0]])


def test_masks_keep_one_bit_sixteen_bit_and_equal_channel_values(tmp_path: Path) -> None:
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "bit.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "bit.png"), [[255, 0]])
    Image.fromarray(np.array([[0, 1000]], np.uint16)).save(tmp_path / "wide.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "wide.png"), [[0, 1000]])
    Image.fromarray(grey_as_rgb(GREY)).save(tmp_path / "rgb.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "rgb.png"), GREY)
    Image.fromarray(np.dstack([grey_as_rgb(GREY), 255 - GREY])).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "rgba.png"), GREY)
    Image.fromarray(np.dstack([GREY, 255 - GREY]), mode="LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(decode_mask(tmp_path / "la.png"), GREY)


def test_a_coloured_mask_is_refused_with_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (255, 0, 64)).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.png.*\(255, 0, 64\).*class ids"):
        decode_mask(tmp_path / "m.png")


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.tif", "cut.gif", "cut.bmp"])
@pytest.mark.parametrize("tolerant", [False, True])
def test_truncated_files_are_refused_even_if_pillow_is_set_to_load_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, tolerant: bool
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=rf"{name}.*download or export it again"):
        decode_image(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02\xff", "not a readable picture"),
        (b"<!DOCTYPE html>\n<html>404", "text, which begins with '<!DOCTYPE html> <html>40'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_files_that_are_not_pictures_are_refused(tmp_path: Path, content: bytes, remedy: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.png.*{remedy}"):
        decode_image(tmp_path / "a.png")


def test_a_file_that_may_not_be_read_is_not_called_truncated(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(UserError, match=r"a\.png: no permission.*chmod"), explaining(tmp_path / "a.png"):
        raise PermissionError("denied")  # root, who runs tests in containers, may read everything


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.png: no such file"):
        decode_mask(tmp_path / "gone.png")


def test_values_beyond_sixteen_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 70000]], np.int32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif.*70000.*16 bits"):
        decode_image(tmp_path / "a.tif")


def test_fractions_are_refused_as_image_and_as_mask(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0.25, 0.5]], np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="whole numbers"):
        decode_image(tmp_path / "a.tif")
    with pytest.raises(UserError, match="fractional"):
        decode_mask(tmp_path / "a.tif")
