"""Images of more than 8 bits have one scale per data set; what has no scale is refused with the key to set."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.image_values import WHITE
from prn_pipeline.data.ingestion import inspect
from prn_pipeline.data.readers.band_decoding import decode_bands
from prn_pipeline.data.readers.decoding import decode_image, read_image
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.readers.headers.picture_header import J2K_SIZE
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.shades import shades, white_of
from prn_pipeline.errors import UserError
from prn_pipeline.pipelines.ingestion.nodes import ingest
from prn_pipeline.serving.evaluation import TestImages
from prn_pipeline.serving.sources import decoded, open_images

Writer = Callable[..., Path]
RNG = np.random.default_rng(0)
TWELVE_BITS = RNG.integers(0, 4096, (20, 30), dtype=np.uint16)
WIDE = RNG.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
TWELVE = [f"s{index:02d}" for index in range(12)]


def manifest_of(root: Path, **block: Any) -> pd.DataFrame:
    settings = DatasetSettings.model_validate({"folds": 3, **block})
    return inspect("roads", settings, make_reader("roads", settings, root))


def expected(wide: NDArray[np.uint16], white: int) -> NDArray[np.uint8]:
    grey = np.rint(np.minimum(wide, white) / white * 255).astype(np.uint8)
    return grey if grey.ndim == 3 else np.stack([grey] * 3, axis=-1)


@pytest.fixture
def twelve_bits(write_dataset: Writer) -> tuple[Path, list[NDArray[np.uint16]]]:
    """A data set of a 12-bit camera in 16-bit files, whose first frame is dark: below 256."""
    root = write_dataset(TWELVE)
    frames = [RNG.integers(0, 200 if index == 0 else 4096, (12, 10), dtype=np.uint16) for index in range(12)]
    for name, frame in zip(TWELVE, frames, strict=True):
        (root / f"roads/images/{name}.png").unlink()
        tifffile.imwrite(root / f"roads/images/{name}.tif", frame)
    return root, frames


@pytest.mark.parametrize(
    ("highest", "white"), [(0, 255), (255, 255), (256, 1023), (1500, 4095), (4095, 4095), (4096, 16383), (65535, 65535)]
)
def test_white_is_the_largest_value_of_the_bits_that_are_used(highest: int, white: int) -> None:
    assert white_of(highest) == white


def test_shades_agree_with_rounded_division() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    for white in (255, 1000, 4095, 65535):
        np.testing.assert_array_equal(shades(every, white), expected(every[..., 0], white))


def test_all_frames_of_a_data_set_have_one_scale(twelve_bits: tuple[Path, list[NDArray[np.uint16]]]) -> None:
    root, frames = twelve_bits
    manifest = manifest_of(root)
    assert manifest.attrs[WHITE] == 4095
    stream, stored, _ = ingest("roads", {"folds": 3, "image_size": 16}, str(root))
    assert stored.attrs[WHITE] == 4095
    images = np.concatenate([batch["images"] for batch in stream.batches])
    assert images[0].max() <= 13, "the dark frame is dark"
    assert images[1:].max() > 200
    reader = make_reader("roads", DatasetSettings(), root).scaled(manifest.attrs[WHITE])
    for record, frame in zip(reader.records(), frames, strict=True):
        np.testing.assert_array_equal(reader.image(record), expected(frame, 4095))


def test_identity_does_not_follow_the_scale(twelve_bits: tuple[Path, list[NDArray[np.uint16]]]) -> None:
    root, _ = twelve_bits
    before = manifest_of(root)["sha256"]
    bright = np.full((12, 10), 60000, np.uint16)
    bright[0, 0] = 1
    tifffile.imwrite(root / "roads/images/s11.tif", bright)
    after = manifest_of(root)
    assert after.attrs[WHITE] == 65535
    assert (after["sha256"][:11] == before[:11]).all()


def test_a_set_white_is_kept(twelve_bits: tuple[Path, list[NDArray[np.uint16]]]) -> None:
    assert manifest_of(twelve_bits[0], white=3000).attrs[WHITE] == 3000


def test_the_white_survives_parquet(twelve_bits: tuple[Path, list[NDArray[np.uint16]]], tmp_path: Path) -> None:
    manifest_of(twelve_bits[0]).to_parquet(tmp_path / "m.parquet")
    assert pd.read_parquet(tmp_path / "m.parquet").attrs[WHITE] == 4095


def test_images_of_8_bits_have_no_white(write_dataset: Writer) -> None:
    assert WHITE not in manifest_of(write_dataset(TWELVE)).attrs


def test_little_use_of_the_range_and_mixed_bits_are_warnings(
    twelve_bits: tuple[Path, list[NDArray[np.uint16]]], caplog: pytest.LogCaptureFixture
) -> None:
    root, frames = twelve_bits
    with caplog.at_level(logging.WARNING):
        manifest_of(root)
    assert "of the scale" not in caplog.text
    for name, frame in zip(TWELVE, frames, strict=True):
        wide = 30000 + frame  # an offset, and one hot pixel in a thousand would not hide it
        tifffile.imwrite(root / f"roads/images/{name}.tif", wide.astype(np.uint16))
    (root / "roads/images/s03.tif").unlink()
    Image.new("RGB", (10, 12), (1, 200, 3)).save(root / "roads/images/s03.png")
    with caplog.at_level(logging.WARNING):
        assert manifest_of(root).attrs[WHITE] == 65535
    assert "is 6 % of the scale from 0 to 65535" in caplog.text
    assert "11 images have 16 bits" in caplog.text
    assert "1 has 8 bits, which stay as they are: roads/images/s03.png" in caplog.text


def test_images_of_zeros_and_ones_are_a_warning(write_dataset: Writer, caplog: pytest.LogCaptureFixture) -> None:
    root = write_dataset(TWELVE)
    for index, name in enumerate(TWELVE):
        Image.fromarray(np.eye(12, 10, index - 5, dtype=np.uint8)).save(root / f"roads/images/{name}.png")
    manifest_of(root)
    assert "no pixel of any image is above 1 of 255" in caplog.text


@pytest.mark.parametrize("bands", [{"count": 1}, {"count": 1, "low": 0, "high": 100000}])
def test_little_use_of_the_range_of_bands_is_a_warning(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture, bands: dict[str, int]
) -> None:
    root = write_dataset(TWELVE)
    for name in TWELVE:
        (root / f"roads/images/{name}.png").unlink()
        tifffile.imwrite(root / f"roads/images/{name}.tif", RNG.integers(0, 4096, (12, 10), dtype=np.uint16))
    manifest_of(root, bands=bands)
    assert "99.9 % of the values" in caplog.text
    assert ("bands.high: 100000" in caplog.text) == ("high" in bands)
    caplog.clear()
    manifest_of(root, bands={"count": 1, "low": 0, "high": 4095}, image_size=(16, 16))
    assert not caplog.text


def test_a_fourth_band_that_is_no_transparency_is_left_out_with_a_warning(
    write_dataset: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_dataset(TWELVE)
    for index, name in enumerate(TWELVE):
        (root / f"roads/images/{name}.png").unlink()
        pixels = RNG.integers(0, 256, (12, 10, 4), dtype=np.uint8)
        extra = "unassalpha" if index == 1 else "unspecified"
        if index == 2:
            pixels[..., 3] = 255  # unspecified, but it hides nothing
        file = root / f"roads/images/{name}.tif"
        tifffile.imwrite(file, pixels, photometric="rgb", extrasamples=[extra])
    manifest_of(root)
    assert "10 images hold a fourth band beside RGB" in caplog.text
    assert manifest_of(root, bands={"count": 4}) is not None, "the key that the message names"


# Files


@pytest.mark.parametrize("name", ["a.tif", "be.tif", "tiled.tif", "a.png", "a.jp2"])
def test_colours_of_16_bits_keep_their_low_byte(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "a.png":
        file.write_bytes(imagecodecs.png_encode(WIDE))
    elif name == "a.jp2":
        file.write_bytes(imagecodecs.jpeg2k_encode(WIDE, reversible=True))
    else:
        options = {"byteorder": ">"} if name == "be.tif" else {"tile": (16, 16), "bigtiff": True}
        tifffile.imwrite(file, WIDE, photometric="rgb", **({} if name == "a.tif" else options))
    np.testing.assert_array_equal(read_image(file).pixels, WIDE)
    np.testing.assert_array_equal(decode_image(file, 65535), expected(WIDE, 65535))
    np.testing.assert_array_equal(decode_bands(file, BandSettings(count=3)), WIDE)


def test_jpeg_2000_whose_header_promises_other_bits_is_refused_as_image_and_mask(tmp_path: Path) -> None:
    file = tmp_path / "a.jp2"
    Image.fromarray(RNG.integers(0, 2, (40, 40), np.uint8) * 255).save(file)
    content = bytearray(file.read_bytes())
    content[content.index(J2K_SIZE) + 42] = 8  # a bit more than its values have
    file.write_bytes(content)
    for read in (read_image, read_mask):
        with pytest.raises(UserError, match=r"a\.jp2: not a readable picture"):
            read(file)


def test_alpha_of_16_bit_pictures_is_dropped(tmp_path: Path) -> None:
    for count in (2, 4):
        stored = RNG.integers(0, 65536, (20, 30, count), dtype=np.uint16)
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(stored))
        np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, stored[..., : count - 1])


@pytest.mark.parametrize(
    ("kind", "compression"),
    [("uint16", "lzw"), ("uint16", "zstd"), ("int16", None), ("int32", "deflate"), ("uint32", None), ("float32", None)],
)
def test_whole_numbers_of_any_type_are_wide_grey(tmp_path: Path, kind: str, compression: str | None) -> None:
    tifffile.imwrite(tmp_path / "a.tif", TWELVE_BITS.astype(kind), compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels[..., 0], TWELVE_BITS)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif", 4095), expected(TWELVE_BITS, 4095))


def test_zero_that_is_white_is_inverted_on_the_scale(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", TWELVE_BITS, photometric="miniswhite")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif", 4095), 255 - expected(TWELVE_BITS, 4095))


@pytest.mark.parametrize(
    ("stored", "key"),
    [
        (RNG.random((20, 30)).astype(np.float32), r"`bands: \{count: 1, low: 0, high: 1\}"),
        (RNG.random((20, 30, 3)).astype(np.float32), r"`bands: \{count: 3, low: "),
        (np.array([[-5, 100]], np.int16), r"`bands: \{count: 1, low: -5, high: 100\}`"),
        (np.array([[0, 70000]], np.uint32), r"`bands: \{count: 1, low: 0, high: 7e\+04\}`"),
        (np.zeros((20, 30, 5), np.uint8), r"`bands: \{count: 5\}`"),
        (np.zeros((20, 30, 2), np.uint8), r"`bands: \{count: 2\}`"),
    ],
)
def test_values_without_a_scale_are_refused_with_the_bands_to_set(
    tmp_path: Path, stored: NDArray[np.generic], key: str
) -> None:
    colours = "rgb" if stored.ndim == 3 and stored.shape[2] == 3 else "minisblack"
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric=colours, planarconfig="contig" if stored.ndim == 3 else None
    )
    with pytest.raises(UserError, match=key):
        decode_image(tmp_path / "a.tif")


def test_pages_are_refused_stacked_or_the_first_is_read(tmp_path: Path) -> None:
    pages = np.moveaxis(WIDE, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    with pytest.raises(UserError, match=r"3 pages.*`bands: \{count: 3\}`.*`first_page: true`"):
        decode_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(decode_bands(tmp_path / "a.tif", BandSettings(count=3)), WIDE)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", first_page=True).pixels, WIDE[..., :1])
    with tifffile.TiffWriter(tmp_path / "b.tif") as tiff:
        tiff.write(WIDE[..., 0])
        tiff.write(WIDE[:5, :, 1])
    with pytest.raises(UserError, match=r"2 pages.* Set `first_page: true`") as refused:
        decode_image(tmp_path / "b.tif")
    assert "bands" not in str(refused.value), "pages of two sizes cannot be the bands of one image"
    with pytest.raises(UserError, match="2 pictures of different sizes"):
        decode_bands(tmp_path / "b.tif", BandSettings(count=1))


def test_nan_is_refused_without_a_range_of_nan(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((4, 4), np.nan, np.float32))
    with pytest.raises(UserError, match="NaN, infinite"):
        decode_image(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animations_are_refused(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(UserError, match="3 pages") as refused:
        decode_image(tmp_path / name)
    assert "bands" not in str(refused.value), "frames in colour cannot be bands"
    with pytest.raises(UserError, match="3 frames"):
        decode_bands(tmp_path / name, BandSettings(count=3))
    assert decode_image(tmp_path / name, first_page=True).shape == (8, 8, 3)


def test_the_second_picture_in_a_photo_of_a_phone_does_not_count(tmp_path: Path) -> None:
    photo, preview = Image.new("RGB", (16, 8), (200, 0, 0)), Image.new("RGB", (4, 2))
    photo.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[preview])
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.n_frames == 2
    assert decode_image(tmp_path / "a.jpg").shape == (8, 16, 3)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd"])
def test_8_bit_colours_of_any_layout_are_as_stored(tmp_path: Path, planar: str, compression: str | None) -> None:
    eight = (WIDE >> 8).astype(np.uint8)
    stored = eight if planar == "contig" else np.moveaxis(eight, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, compression=compression)
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), eight)


def test_8_bit_grey_is_shown_as_it_looks(tmp_path: Path) -> None:
    grey = (TWELVE_BITS >> 4).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="miniswhite")
    np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), np.stack([255 - grey] * 3, axis=-1))
    tifffile.imwrite(tmp_path / "b.tif", grey >> 4, bitspersample=4)
    np.testing.assert_array_equal(decode_image(tmp_path / "b.tif")[..., 0], (grey >> 4) * 17)
    Image.fromarray(grey > 99).save(tmp_path / "c.tif", compression="group4")
    np.testing.assert_array_equal(decode_image(tmp_path / "c.tif")[..., 0] == 255, grey > 99)


@pytest.mark.parametrize("space", ["CMYK", "LAB", "YCbCr", "P"])
def test_other_colour_spaces_of_tiff_files_look_as_pillow_shows_them(tmp_path: Path, space: str) -> None:
    picture = Image.fromarray((WIDE >> 8).astype(np.uint8))
    if space == "P":
        picture = picture.quantize(16)
    elif space != "LAB":
        picture = picture.convert(space)
    else:
        picture = Image.merge("LAB", picture.split())
    picture.save(tmp_path / "a.tif", compression="jpeg" if space == "YCbCr" else None)
    with Image.open(tmp_path / "a.tif") as shown:
        np.testing.assert_array_equal(decode_image(tmp_path / "a.tif"), np.asarray(shown.convert("RGB")))


def test_bands_of_a_turned_picture_stand_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    eight = (WIDE >> 8).astype(np.uint8)
    Image.fromarray(eight).save(tmp_path / "a.png", exif=exif)
    tifffile.imwrite(tmp_path / "a.tif", eight, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    for name in ("a.png", "a.tif"):
        upright = np.rot90(eight, -1).astype(np.uint16) * 257
        np.testing.assert_array_equal(decode_bands(tmp_path / name, BandSettings(count=3)), upright)


# Serving


def test_a_predictor_reads_wide_pictures_on_the_scale_of_training(tmp_path: Path) -> None:
    dark = TWELVE_BITS // 20
    tifffile.imwrite(tmp_path / "a.tif", dark)
    np.testing.assert_array_equal(decoded(tmp_path / "a.tif", None, 4095), expected(dark, 4095))
    for array in (dark, dark[..., None], np.stack([dark] * 3, axis=-1)):
        np.testing.assert_array_equal(next(open_images(array, None, 4095)), expected(dark, 4095))


def test_a_predictor_without_scale_refuses_wide_pictures_and_one_with_another_scale_too(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", WIDE, photometric="rgb")
    with pytest.raises(UserError, match=r"a\.tif: a 16-bit picture.*learned from 8-bit.*`white`"):
        decoded(tmp_path / "a.tif", None)
    with pytest.raises(UserError, match=r"more than 25% of them above 4095"):
        decoded(tmp_path / "a.tif", None, 4095)
    hot = TWELVE_BITS.copy()
    hot[0, 0] = 5000
    tifffile.imwrite(tmp_path / "b.tif", hot)
    assert decoded(tmp_path / "b.tif", None, 4095)[0, 0].tolist() == [255] * 3


def test_test_images_are_read_on_the_scale_of_each_predictor(
    twelve_bits: tuple[Path, list[NDArray[np.uint16]]],
) -> None:
    root, frames = twelve_bits
    manifest = manifest_of(root)
    reader = make_reader("roads", DatasetSettings(), root).scaled(manifest.attrs[WHITE])
    images = TestImages(manifest, reader)
    for white, used in ((None, 4095), (16383, 16383)):
        predictor = SimpleNamespace(classes=1, settings=SimpleNamespace(white=white))
        (item, _), *_ = images.pairs(predictor)  # type: ignore[arg-type]
        np.testing.assert_array_equal(item.image, expected(frames[0], used))
