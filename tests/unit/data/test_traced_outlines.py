"""Outlines that a program traced through the outermost pixels of a mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from prn_pipeline.data.readers.annotations.shapes import Region, polygon
from prn_pipeline.data.readers.annotations.traced import are_traced, traced_polygon
from prn_pipeline.errors import UserError
from tests.unit.data.annotation_writers import outlines, traced

pytest.importorskip("pycocotools")


def pasted(region: Region, height: int, width: int) -> np.ndarray:
    whole = np.zeros((height, width), bool)
    rows, columns = region.inside.shape
    whole[region.top : region.top + rows, region.left : region.left + columns] = region.inside
    return whole


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_a_traced_mask_comes_back_with_its_holes_filled(mask: np.ndarray) -> None:
    height, width = mask.shape
    found = np.zeros_like(mask)
    for outline in traced(mask):
        found |= pasted(traced_polygon(np.array(outline), height, width), height, width)
    np.testing.assert_array_equal(found, ndimage.binary_fill_holes(mask))


def test_read_as_corners_it_would_lose_half_a_pixel_on_every_side() -> None:
    disc = np.hypot(*np.mgrid[-8:9, -8:9]) <= 7
    (outline,) = traced(disc)
    as_corners = pasted(polygon(np.array(outline), 17, 17), 17, 17)
    as_centres = pasted(traced_polygon(np.array(outline), 17, 17), 17, 17)
    np.testing.assert_array_equal(as_centres, disc)
    assert as_corners.sum() < 0.9 * disc.sum()


def test_rounded_shares_of_the_size_are_still_recognised() -> None:
    disc = np.hypot(*np.mgrid[-8:9, -8:9]) <= 7
    outline = np.array(traced(disc)[0])
    assert are_traced([outline])
    assert are_traced([np.round(outline / 1333, 5) * 1333])
    assert not are_traced([outline + 0.3])


def test_other_outlines_are_not_taken_for_traced_ones() -> None:
    disc = np.hypot(*np.mgrid[-8:9, -8:9]) <= 7
    box = np.array([[2.0, 2], [9, 2], [9, 7], [2, 7]])
    drawn = np.array([[2.0, 2], [11, 5], [9, 14], [3, 9]])
    along_edges = np.array(outlines(disc)[0])
    for outline in (box, drawn, along_edges):
        assert not are_traced([outline])
    assert not are_traced([np.array(traced(disc)[0])] * 9 + [drawn])
    assert not are_traced([])


def test_points_outside_the_picture_are_refused() -> None:
    with pytest.raises(UserError, match="lies outside the image of 10 x 8 pixels"):
        traced_polygon(np.array([[1.0, 1], [20, 1], [1, 5]]), 8, 10)
