"""Outlines become the pixels whose centres lie inside: compared with brute force, and with COCO's own tools."""

import math
import warnings

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as reference

from prn_pipeline.data.readers.annotations.shapes import Region, ellipse, polygon, rectangle, union
from prn_pipeline.errors import UserError

HEIGHT, WIDTH = 31, 47
#: pycocotools rounds vertices to a fifth of a pixel, and a crossing to the next fifth.
PRECISION = 0.4


def filled(region: Region) -> NDArray[np.bool_]:
    whole = np.zeros((HEIGHT, WIDTH), bool)
    whole[region.top : region.top + region.inside.shape[0], region.left : region.left + region.inside.shape[1]] = (
        region.inside
    )
    return whole


def centres() -> list[shapely.Point]:
    return [shapely.Point(column + 0.5, row + 0.5) for row in range(HEIGHT) for column in range(WIDTH)]


def star(seed: int) -> NDArray[np.float64]:
    """A simple outline of 3 to 12 vertices about a centre."""
    draw = np.random.default_rng(seed)
    angles = np.sort(draw.uniform(0, 2 * math.pi, draw.integers(3, 13)))
    radii = draw.uniform(2, 14, len(angles))
    points = np.stack([23 + radii * np.cos(angles), 15 + radii * np.sin(angles)], axis=1)
    return points.clip((0, 0), (WIDTH, HEIGHT))


@pytest.mark.parametrize("seed", range(12))
def test_a_pixel_is_inside_where_its_centre_is(seed: int) -> None:
    outline = shapely.Polygon(star(seed))
    expected = np.array([outline.contains(centre) for centre in centres()]).reshape(HEIGHT, WIDTH)
    near = np.array([outline.exterior.distance(centre) <= PRECISION for centre in centres()]).reshape(HEIGHT, WIDTH)
    found = filled(polygon(star(seed), HEIGHT, WIDTH))
    np.testing.assert_array_equal(found[~near], expected[~near])


@given(
    st.lists(
        st.tuples(st.floats(0, WIDTH, allow_subnormal=False), st.floats(0, HEIGHT, allow_subnormal=False)),
        min_size=3,
        max_size=9,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_outline_is_filled_as_by_pycocotools(points: list[tuple[float, float]]) -> None:
    """Also one that crosses itself, wherever it lies: only a window of the picture is drawn here."""
    flat = [value for point in points for value in point]
    (encoded,) = reference.frPyObjects([flat], HEIGHT, WIDTH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, about pycocotools
        expected = reference.decode(encoded).astype(bool)
    np.testing.assert_array_equal(filled(polygon(np.array(points), HEIGHT, WIDTH)), expected)


def test_a_hole_is_kept_where_a_bridge_of_no_width_leads_to_it() -> None:
    """As converters write rings for COCO and YOLO."""
    outer, inner = rectangle((4, 3), (30, 20)), rectangle((9, 8), (15, 14))
    bridged = np.concatenate([outer, outer[:1], inner, inner[:1]])
    found = filled(polygon(bridged, HEIGHT, WIDTH))
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[3:20, 4:30] = True
    expected[8:14, 9:15] = False
    np.testing.assert_array_equal(found, expected)


def test_edges_of_pixels_enclose_these_pixels() -> None:
    assert filled(polygon(rectangle((2, 3), (6, 8)), HEIGHT, WIDTH)).sum() == 4 * 5


@pytest.mark.parametrize("degrees", [0, 30, 90, 211.5])
def test_an_ellipse_holds_the_centres_that_it_encloses(degrees: float) -> None:
    found = filled(ellipse((20.3, 14.1), (12.0, 6.5), degrees, HEIGHT, WIDTH))
    circle = shapely.Point(0, 0).buffer(1, quad_segs=256)
    turned = shapely.affinity.rotate(shapely.affinity.scale(circle, 12.0, 6.5), degrees, origin=(0, 0))
    outline = shapely.affinity.translate(turned, 20.3, 14.1)
    expected = np.array([outline.contains(centre) for centre in centres()]).reshape(HEIGHT, WIDTH)
    near = np.array([outline.exterior.distance(centre) < 0.01 for centre in centres()]).reshape(HEIGHT, WIDTH)
    np.testing.assert_array_equal(found[~near], expected[~near])


def test_the_rim_of_an_ellipse_may_be_outside_and_its_centre_not() -> None:
    assert filled(ellipse((1, 1), (4, 4), 0, HEIGHT, WIDTH))[0, 0]
    with pytest.raises(UserError, match="lies outside the image of 47 x 31"):
        ellipse((60, 1), (4, 4), 0, HEIGHT, WIDTH)
    with pytest.raises(UserError, match="an ellipse about"):
        ellipse((6, 1), (math.nan, 4), 0, HEIGHT, WIDTH)


def test_a_turned_rectangle_keeps_its_centre_and_sides() -> None:
    corners = rectangle((10, 10), (20, 14), 90)
    np.testing.assert_allclose(sorted(map(tuple, corners)), [(13, 7), (13, 17), (17, 7), (17, 17)])


def test_a_point_within_a_pixel_of_the_picture_is_cut_off() -> None:
    found = filled(polygon(np.array([[-0.9, -0.9], [5, -0.9], [5, 5], [-0.9, 5]]), HEIGHT, WIDTH))
    assert found[:5, :5].all()
    assert found.sum() == 25


@pytest.mark.parametrize("point", [(-1.1, 3), (48.2, 3), (3, 32.5), (math.nan, 3), (math.inf, 3)])
def test_a_point_farther_out_is_refused(point: tuple[float, float]) -> None:
    with pytest.raises(UserError, match=r"outside the image of 47 x 31 pixels .* another size of the image"):
        polygon(np.array([[1, 1], [5, 1], point]), HEIGHT, WIDTH)


def test_two_points_enclose_nothing() -> None:
    with pytest.raises(UserError, match="an outline of 2 points, expected at least three"):
        polygon(np.array([[1.0, 1], [5, 1]]), HEIGHT, WIDTH)


def test_an_outline_between_centres_holds_no_pixel() -> None:
    assert not filled(polygon(np.array([[3.0, 3], [3.1, 3], [3.1, 3.1]]), HEIGHT, WIDTH)).any()
    assert not filled(polygon(np.array([[3.0, 3], [3.0, 3], [3.0, 3]]), HEIGHT, WIDTH)).any()


def test_a_union_holds_what_any_part_holds() -> None:
    parts = [polygon(rectangle(*corners), HEIGHT, WIDTH) for corners in (((2, 3), (6, 8)), ((20, 1), (25, 5)))]
    np.testing.assert_array_equal(filled(union(parts)), filled(parts[0]) | filled(parts[1]))
    assert not filled(union([])).any()
