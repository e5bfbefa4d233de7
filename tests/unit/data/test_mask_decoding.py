"""A mask file of any program gives the values that it was made for, or an error that names the key which decides."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.mask_decoding import StoredMask, read_mask
from prn_pipeline.errors import UserError

RNG = np.random.default_rng(0)
OBJECT = RNG.random((20, 30)) < 0.13
IDS = RNG.integers(0, 3, (20, 30), dtype=np.uint8)
GREYS = [0, 0, 0, 127, 127, 127, 255, 255, 255]


def mask_of(path: Path, classes: int = 0, **rule: Any) -> StoredMask:
    return read_mask(path, MaskSettings.model_validate(rule), classes)


def values_of(path: Path, classes: int = 0, **rule: Any) -> NDArray[np.generic]:
    return mask_of(path, classes, **rule).values


def with_palette(path: Path, index: NDArray[np.uint8], palette: list[int], **options: Any) -> Path:
    picture = Image.fromarray(index, "P")
    picture.putpalette(palette)
    picture.save(path, **options)
    return path


# TIFF


@pytest.mark.parametrize("photometric", [None, "miniswhite", "minisblack"])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits"])
def test_a_bool_array_written_by_tifffile_keeps_its_foreground(
    tmp_path: Path, photometric: str | None, compression: str | None
) -> None:
    tifffile.imwrite(tmp_path / "m.tif", OBJECT, photometric=photometric, compression=compression)
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif") == 255, OBJECT)
    assert mask_of(tmp_path / "m.tif").facts.doubts == ()


def test_white_ink_of_other_programs_is_foreground_with_a_doubt_that_a_key_settles(tmp_path: Path) -> None:
    file = tmp_path / "m.tif"
    tifffile.imwrite(file, ~OBJECT, photometric="miniswhite", software="Scanner")
    np.testing.assert_array_equal(values_of(file) == 255, OBJECT)
    assert mask_of(file).facts.doubts == ("zero_is_white: shown",)
    np.testing.assert_array_equal(values_of(file, zero_is_white="stored") == 255, ~OBJECT)
    assert mask_of(file, zero_is_white="shown").facts.doubts == ()


def test_an_inverting_table_of_imagej_does_not_invert_the_mask(tmp_path: Path) -> None:
    stored = OBJECT.astype(np.uint8) * 255
    tifffile.imwrite(
        tmp_path / "m.tif", stored, photometric="miniswhite", software=False, description="ImageJ=1.54f\nimages=1\n"
    )
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif"), stored)


def test_soft_edges_in_white_ink_are_inverted_with_their_picture(tmp_path: Path) -> None:
    looks = np.array([[0, 0, 60, 128, 200, 255, 255]], np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", 255 - looks, photometric="miniswhite", software="", metadata=None)
    found = mask_of(tmp_path / "m.tif", threshold=127)
    assert found.values.tolist() == looks.tolist()
    assert found.facts.doubts == ("zero_is_white: shown",)


def test_class_ids_are_not_inverted_either(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", IDS, photometric="miniswhite", software="GIS")
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif"), IDS)


@pytest.mark.parametrize("kind", ["int16", "uint16", "int32", "uint32", "int64", "float32", "float64", ">u2"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_wide_types_keep_ids_whatever_the_layout(tmp_path: Path, kind: str, tile: tuple[int, int] | None) -> None:
    ids = IDS.astype(kind)
    tifffile.imwrite(tmp_path / "m.tif", ids, bigtiff=tile is not None, tile=tile, compression="deflate")
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif"), IDS)


def test_four_bits_keep_ids(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", IDS, bitspersample=4)
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif"), IDS)


def test_pages_are_refused_united_or_the_first_is_read(tmp_path: Path) -> None:
    pages = np.stack([OBJECT, OBJECT[::-1], OBJECT[:, ::-1]])
    for name, stored in (("a.tif", pages), ("b.tif", pages.astype(np.uint8) * 255)):
        tifffile.imwrite(tmp_path / name, stored, photometric="minisblack")
        with pytest.raises(UserError, match=r"3 pages.*`mask: \{pages: unite\}`.*pages: first"):
            mask_of(tmp_path / name)
        np.testing.assert_array_equal(values_of(tmp_path / name, pages="unite") == 255, pages)
        np.testing.assert_array_equal(values_of(tmp_path / name, pages="first") == 255, OBJECT)


def test_pages_of_other_sizes_cannot_be_united(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "m.tif") as tiff:
        tiff.write(IDS)
        tiff.write(IDS[:5])
    with pytest.raises(UserError, match="2 pages of different sizes"):
        mask_of(tmp_path / "m.tif", pages="unite")
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif", pages="first"), IDS)


def test_slices_of_a_volume_are_pages(tmp_path: Path) -> None:
    volume = np.stack([IDS, IDS[::-1]])
    tifffile.imwrite(tmp_path / "m.tif", volume, volumetric=True, photometric="minisblack", tile=(16, 16, 16))
    with pytest.raises(UserError, match="2 pages"):
        mask_of(tmp_path / "m.tif")
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif", pages="unite"), volume)
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif", pages="first"), IDS)


def test_a_thumbnail_is_no_page(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "m.tif") as tiff:
        tiff.write(IDS)
        tiff.write(IDS[::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif"), IDS)


@pytest.mark.parametrize("name", ["m.gif", "m.webp", "m.png", "m.tif"])
def test_frames_are_refused_or_united(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(one.astype(np.uint8) * 255) for one in (OBJECT, OBJECT[::-1])]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(UserError, match="2 pages"):
        mask_of(tmp_path / name)
    united = values_of(tmp_path / name, pages="unite")
    np.testing.assert_array_equal((united != 0).any(axis=0), OBJECT | OBJECT[::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_tiff_file_is_applied(tmp_path: Path, orientation: int) -> None:
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "m.tif", IDS, extratags=tag)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(IDS).save(tmp_path / "m.png", exif=exif)
    found = mask_of(tmp_path / "m.tif")
    np.testing.assert_array_equal(found.values, values_of(tmp_path / "m.png"))
    assert found.facts.orientation == mask_of(tmp_path / "m.png").facts.orientation == orientation


# Palettes


@pytest.mark.parametrize(("name", "ids"), [("m.png", IDS // 2), ("m.gif", IDS), ("m.tif", IDS)])
def test_ids_without_palette_are_the_indices(tmp_path: Path, name: str, ids: NDArray[np.uint8]) -> None:
    Image.fromarray(ids, "P").save(tmp_path / name)
    np.testing.assert_array_equal(values_of(tmp_path / name), ids)


def test_ids_that_pillow_lost_in_a_palette_of_one_bit_are_refused(tmp_path: Path) -> None:
    Image.fromarray(IDS, "P").save(tmp_path / "m.png")
    np.testing.assert_array_equal(values_of(tmp_path / "m.png"), IDS > 0)
    for settings in ({"classes": 3}, {"values": [2]}):
        with pytest.raises(UserError, match="ids above 1 were lost"):
            mask_of(tmp_path / "m.png", **settings)
    np.testing.assert_array_equal(values_of(tmp_path / "m.png", classes=2), IDS > 0)


@pytest.mark.parametrize("name", ["m.png", "m.tif"])
def test_three_classes_in_a_grey_palette_are_indices(tmp_path: Path, name: str) -> None:
    file = with_palette(tmp_path / name, IDS, GREYS)
    np.testing.assert_array_equal(values_of(file), IDS)
    np.testing.assert_array_equal(values_of(file, classes=3), IDS)
    np.testing.assert_array_equal(values_of(file, values=[2]), IDS)
    assert mask_of(file, classes=3).facts.doubts == ()


def test_grey_levels_count_where_the_rule_names_them(tmp_path: Path) -> None:
    levels = np.array([0, 127, 255], np.uint8)[IDS]
    file = with_palette(tmp_path / "m.png", IDS, GREYS)
    for rule in ({"threshold": 100}, {"values": [127, 255]}, {"values": [255]}, {"palette": "grey"}):
        np.testing.assert_array_equal(values_of(file, **rule), levels)
    np.testing.assert_array_equal(values_of(file, palette="index", values=[255]), IDS)


def test_a_greyscale_picture_made_smaller_gives_its_levels(tmp_path: Path) -> None:
    """Programs such as pngquant order a palette by frequency and drop unused colours."""
    index = (~OBJECT).astype(np.uint8)
    white_first = with_palette(tmp_path / "a.png", index, [255] * 3 + [0] * 3)
    np.testing.assert_array_equal(values_of(white_first) == 255, OBJECT)
    assert mask_of(white_first).facts.doubts == ("palette: grey",)
    only_white = with_palette(tmp_path / "b.png", np.zeros((4, 4), np.uint8), [255] * 3)
    assert (values_of(only_white) == 255).all()
    ids = with_palette(tmp_path / "c.png", np.array([[0, 1, 2]], np.uint8), [5, 5, 5, 0, 0, 0, 3, 3, 3])
    np.testing.assert_array_equal(values_of(ids, classes=6), [[5, 0, 3]])
    np.testing.assert_array_equal(values_of(ids, values=[5], ignore_values=[3]), [[5, 0, 3]])


def test_the_hint_names_the_levels_and_the_key(tmp_path: Path) -> None:
    hint = mask_of(with_palette(tmp_path / "m.png", IDS, GREYS)).hint
    assert "0, 127, 255" in hint
    assert "`mask: {palette: grey}`" in hint


# Transparency


def test_the_mask_of_a_white_picture_is_its_alpha(tmp_path: Path) -> None:
    alpha = OBJECT.astype(np.uint8) * 255
    white = np.full((*OBJECT.shape, 3), 255, np.uint8)
    Image.fromarray(np.dstack([white, alpha])).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([white, alpha])).save(tmp_path / "rgba.tif")
    Image.fromarray(np.dstack([white[..., 0], alpha]), "LA").save(tmp_path / "la.png")
    Image.fromarray(np.dstack([white * 0, alpha])).save(tmp_path / "black.webp", lossless=True, exact=True)
    tifffile.imwrite(tmp_path / "plain.tif", np.dstack([white, alpha]), photometric="rgb")
    wide = np.dstack([white, alpha]).astype(np.uint16) * 257
    (tmp_path / "wide.png").write_bytes(imagecodecs.png_encode(wide))
    (tmp_path / "wide_la.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(wide[..., 2:])))
    files = sorted(tmp_path.iterdir())
    assert len(files) == 7
    for file in files:
        np.testing.assert_array_equal(values_of(file) != 0, OBJECT, err_msg=file.name)


def test_colours_that_differ_only_where_nothing_is_visible_do_not_count(tmp_path: Path) -> None:
    colours = np.where(OBJECT[..., None], 255, RNG.integers(0, 256, (20, 30, 3))).astype(np.uint8)
    Image.fromarray(np.dstack([colours, OBJECT.astype(np.uint8) * 255])).save(tmp_path / "m.png")
    np.testing.assert_array_equal(values_of(tmp_path / "m.png") == 255, OBJECT)


@pytest.mark.parametrize(("colour", "alpha"), [(255, 0), (0, 255)])
def test_a_picture_that_varies_nowhere_leaves_open_whether_alpha_is_the_mask(
    tmp_path: Path, colour: int, alpha: int
) -> None:
    file = tmp_path / "m.png"
    Image.fromarray(np.full((6, 8, 4), [colour] * 3 + [alpha], np.uint8)).save(file)
    assert mask_of(file).facts.doubts == ("alpha: ignore",)
    assert mask_of(file, alpha="mask").facts.doubts == ()
    assert set(np.unique(mask_of(file, alpha="mask").values)) == {alpha}


def test_white_that_is_marked_transparent_is_refused(tmp_path: Path) -> None:
    Image.fromarray(OBJECT.astype(np.uint8) * 255).save(tmp_path / "m.png", transparency=255)
    with pytest.raises(UserError, match="alpha: ignore"):
        mask_of(tmp_path / "m.png")
    np.testing.assert_array_equal(values_of(tmp_path / "m.png", alpha="ignore") == 255, OBJECT)


def test_ids_on_a_transparent_background_are_the_colours(tmp_path: Path) -> None:
    grey = np.repeat(IDS[..., None], 3, axis=2)
    Image.fromarray(np.dstack([grey, np.where(IDS == 0, 0, 255).astype(np.uint8)])).save(tmp_path / "m.png")
    np.testing.assert_array_equal(values_of(tmp_path / "m.png"), IDS)


def test_colours_and_alpha_that_disagree_are_refused_by_name(tmp_path: Path) -> None:
    grey = np.repeat(IDS[..., None] * 100, 3, axis=2).astype(np.uint8)
    Image.fromarray(np.dstack([grey, OBJECT.astype(np.uint8) * 255])).save(tmp_path / "m.png")
    with pytest.raises(UserError, match=r"m\.png.*alpha channel.*`mask: \{alpha: ignore\}`"):
        mask_of(tmp_path / "m.png")
    np.testing.assert_array_equal(values_of(tmp_path / "m.png", alpha="ignore"), grey[..., 0])
    np.testing.assert_array_equal(values_of(tmp_path / "m.png", alpha="mask") == 255, OBJECT)


def test_transparency_of_a_palette_counts_where_it_alone_varies(tmp_path: Path) -> None:
    index = OBJECT.astype(np.uint8)
    white = with_palette(tmp_path / "white.png", index, [255] * 6, transparency=b"\0\xff")
    np.testing.assert_array_equal(values_of(white) == 255, OBJECT)
    colours = with_palette(tmp_path / "voc.png", IDS, [0, 0, 0, 128, 0, 0, 0, 128, 0], transparency=0)
    np.testing.assert_array_equal(values_of(colours), IDS)
    void = with_palette(tmp_path / "void.png", IDS, [0, 0, 0, 128, 0, 0, 0, 128, 0], transparency=2)
    np.testing.assert_array_equal(values_of(void, values=[1], ignore_values=[2]), IDS)
    with pytest.raises(UserError, match="alpha"):
        mask_of(void)


# Channels and kinds


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_a_mask_of_several_channels_is_refused(tmp_path: Path, channels: int) -> None:
    stored = RNG.integers(0, 2, (20, 30, channels), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "m.tif", stored, photometric="minisblack", planarconfig="contig")
    with pytest.raises(UserError, match=rf"shape \(20, 30, {channels}\).*each channel"):
        mask_of(tmp_path / "m.tif")


def test_equal_channels_are_one_and_colours_are_refused(tmp_path: Path) -> None:
    for planar in ("contig", "separate"):
        grey = np.repeat(IDS[..., None], 3, axis=2)
        stored = grey if planar == "contig" else np.moveaxis(grey, 2, 0)
        tifffile.imwrite(tmp_path / "m.tif", stored, photometric="rgb", planarconfig=planar)
        np.testing.assert_array_equal(values_of(tmp_path / "m.tif"), IDS)
    voc = np.array([[0, 0, 0], [128, 0, 0], [224, 224, 192]], np.uint8)[IDS]
    Image.fromarray(voc).save(tmp_path / "voc.png")
    with pytest.raises(UserError, match=r"\(128, 0, 0\).*convert the colours to class ids"):
        mask_of(tmp_path / "voc.png")


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "m.tif"), ("LAB", "m.tif"), ("CMYK", "m.jpg")])
def test_other_colour_spaces_are_refused_by_name(tmp_path: Path, mode: str, name: str) -> None:
    Image.new(mode, (8, 8)).save(tmp_path / name)
    with pytest.raises(UserError, match=rf"colour mode {mode}"):
        mask_of(tmp_path / name)


def test_fractions_need_a_threshold(tmp_path: Path) -> None:
    soft = RNG.random((20, 30)).astype(np.float32)
    tifffile.imwrite(tmp_path / "m.tif", soft)
    with pytest.raises(UserError, match=r"fractional.*`mask: \{threshold: \.\.\.\}`"):
        mask_of(tmp_path / "m.tif")
    np.testing.assert_array_equal(values_of(tmp_path / "m.tif", threshold=0.5), soft)
    tifffile.imwrite(tmp_path / "m.tif", np.where(OBJECT, 1.0, np.nan))
    with pytest.raises(UserError, match="NaN"):
        mask_of(tmp_path / "m.tif", threshold=0.5)


def test_arrays_of_one_channel_are_masks_and_complex_numbers_are_not(tmp_path: Path) -> None:
    for stored in (IDS, IDS[None], IDS[..., None]):
        np.save(tmp_path / "m.npy", stored)
        np.testing.assert_array_equal(values_of(tmp_path / "m.npy"), IDS)
    np.save(tmp_path / "m.npy", IDS.astype(np.complex64))
    with pytest.raises(UserError, match="type complex64"):
        mask_of(tmp_path / "m.npy")


def test_one_bit_pictures_are_black_and_white(tmp_path: Path) -> None:
    for name, options in (("m.png", {}), ("m.tif", {}), ("g4.tif", {"compression": "group4"}), ("m.bmp", {})):
        Image.fromarray(OBJECT).save(tmp_path / name, **options)
        np.testing.assert_array_equal(values_of(tmp_path / name) == 255, OBJECT, err_msg=name)
