"""Picture rows show right and wrong pixels in the right colours."""

import base64
import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from prn_pipeline.errors import UserError
from prn_pipeline.reporting import gallery
from prn_pipeline.reporting.inputs import GalleryRow, Report

Row = Callable[..., GalleryRow]


def hexes(picture: np.ndarray) -> np.ndarray:
    return np.array([[to_hex(pixel / 255) for pixel in line] for line in picture])


def test_each_pixel_has_the_colour_of_its_outcome() -> None:
    rng = np.random.default_rng(0)
    prediction, mask = rng.random((9, 13)) > 0.5, rng.choice([0, 1, 255], (9, 13)).astype(np.uint8)
    expected = {
        (True, 1): {gallery.HIT},
        (True, 0): {gallery.FALSE_POSITIVE},
        (False, 1): {gallery.FALSE_NEGATIVE},
        (False, 0): {gallery.GROUND},
        (True, 255): {gallery.IGNORED, gallery.IGNORED_STRIPE},
        (False, 255): {gallery.IGNORED, gallery.IGNORED_STRIPE},
    }
    shown = hexes(gallery.error_picture(prediction, mask))
    assert shown.shape == mask.shape
    for place in np.ndindex(mask.shape):
        assert shown[place] in expected[bool(prediction[place]), int(mask[place])]


def test_ignored_area_is_striped() -> None:
    shown = hexes(gallery.error_picture(np.zeros((24, 24)), np.full((24, 24), 255, np.uint8)))
    assert set(shown.ravel()) == {gallery.IGNORED, gallery.IGNORED_STRIPE}
    assert len(set(shown[0])) == len(set(shown[:, 0])) == 2


def test_error_counts_leave_the_ignored_area_out() -> None:
    prediction = np.array([[1, 1, 1, 0, 0]], np.uint8)
    assert gallery.error_counts(prediction, np.array([[0, 1, 255, 1, 255]], np.uint8)) == (1, 1)


def test_maps_get_brighter_with_probability_and_grey_where_undefined() -> None:
    ramp = gallery.coloured_map(np.linspace(0, 1, 64, dtype=np.float16)[None])
    brightness = ramp[0].astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(brightness) > 0).all()
    assert to_hex(gallery.coloured_map(np.array([[np.nan]]))[0, 0] / 255) == gallery.IGNORED


def test_row_has_six_panels_in_reading_order_with_their_errors_in_words(make_row: Row) -> None:
    row = make_row("best", "an image")
    pictures = gallery.panels(row, "PRN")
    assert [panel.title for panel in pictures] == ["Image", "Base map", "Base mask", "PRN map", "PRN mask", "Truth"]
    labelled = row.mask != 255
    wrong = labelled & (row.refined_mask != row.mask)
    assert f"{(wrong & (row.mask == 0)).sum()} false positive" in pictures[4].alt
    assert f"{(wrong & (row.mask == 1)).sum()} false negative" in pictures[4].alt


def test_the_truth_panel_shows_all_foreground_as_found_and_nothing_as_wrong(make_row: Row) -> None:
    row = make_row("best", "an image")
    shown = hexes(gallery.panels(row, "PRN", side=64)[-1].pixels)
    assert set(np.unique(row.mask)) == {0, 1, 255}
    assert set(shown[row.mask == 1]) == {gallery.HIT}
    assert set(shown[row.mask == 0]) == {gallery.GROUND}
    assert set(shown[row.mask == 255]) == {gallery.IGNORED, gallery.IGNORED_STRIPE}


def test_each_panel_shows_its_own_array(make_row: Row) -> None:
    row = make_row("best", "an image")
    pictures = [panel.pixels for panel in gallery.panels(row, "PRN", side=64)]
    expected = [
        row.image,
        gallery.coloured_map(row.base_probability),
        gallery.error_picture(row.base_mask, row.mask),
        gallery.coloured_map(row.refined_probability),
        gallery.error_picture(row.refined_mask, row.mask),
        gallery.error_picture(row.mask, row.mask),
    ]
    assert (row.base_mask != row.refined_mask).any()
    np.testing.assert_array_equal(pictures, expected)


def test_flat_colours_survive_the_way_into_the_page(make_row: Row) -> None:
    panel = gallery.panels(make_row("best", "x"), "PRN")[2]
    media, _, content = panel.data_uri.partition(",")
    assert media == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as decoded:
        np.testing.assert_array_equal(np.asarray(decoded.convert("RGB")), panel.pixels)


def test_large_and_oblong_pictures_are_shrunk_in_proportion() -> None:
    assert gallery.shrink(np.zeros((400, 200, 3), np.uint8), 100).shape == (100, 50, 3)
    assert gallery.shrink(np.zeros((40, 20, 3), np.uint8), 100).shape == (40, 20, 3)


def test_more_rows_make_smaller_pictures_within_the_budget() -> None:
    sides = [gallery.panel_side(rows) for rows in (0, 1, 9, 50, 100)]
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == gallery.MAX_SIDE
    assert all(rows * gallery.panel_side(rows) ** 2 <= gallery.PIXEL_BUDGET for rows in (9, 50, 100))


def test_strip_is_as_wide_as_its_panels_and_gaps(make_row: Row) -> None:
    with Image.open(io.BytesIO(gallery.strip(gallery.panels(make_row("best", "x", size=20), "PRN")))) as strip:
        assert strip.size == (6 * 20 + 5 * gallery.GAP, 20)


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("kind", "nice", "expected one of best, median, worst"),
        ("image", np.zeros((32, 32), np.uint8), r"expected uint8 \(H, W, 3\)"),
        ("image", np.zeros((32, 32, 3), np.float32), "convert it to 8-bit RGB"),
        ("refined_probability", np.zeros((16, 16)), r"refined_probability is \(16, 16\), expected \(32, 32\)"),
        ("mask", np.full((32, 32), 7, np.uint8), r"mask holds \[7\]"),
    ],
)
def test_row_that_cannot_be_drawn_is_refused_with_the_remedy(
    make_row: Row, field: str, value: object, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        GalleryRow(**{**vars(make_row("best", "x")), field: value})


def test_the_first_picture_of_the_page_is_a_median_one_not_the_best(full_report: Report) -> None:
    top, _, rest = full_report.html.partition('<dl class="numbers">')
    shown = re.search(r'class="card pictures first".*?<h2>(.+?) <span>', top, re.DOTALL)
    median = re.search(r'<section class="gallery median">.*?<h4>(.+?) <span>', rest, re.DOTALL)
    assert shown is not None
    assert median is not None
    assert shown[1] == median[1]
    captions = re.findall(r"<figcaption>(.+?)</figcaption>", top)
    assert captions == ["Image", "Base mask", "PRN mask", "Truth"]
