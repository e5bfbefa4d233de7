"""Outlines -> pixels. A pixel belongs to a shape where its centre lies inside.

The centre of the pixel in row r and column c is (c + 0.5, r + 0.5): coordinates count from the upper left corner of the
picture, as in COCO. Polygons are filled by pycocotools, which rounds vertices to a fifth of a pixel, so that a mask is
the one that `annToMask` gives. Where an outline crosses itself, what it encloses twice is outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.annotations.run_lengths import decompressed, from_runs
from prn_pipeline.errors import UserError

#: Pixels by which coordinates may lie outside the picture: programs round.
SLACK = 1.0


class Region(NamedTuple):
    """A part of a picture.

    Attributes:
        top: row of its first pixels.
        left: column of its first pixels.
        inside: bool (H, W): pixels that belong to the shape.
    """

    top: int
    left: int
    inside: NDArray[np.bool_]


_EMPTY = Region(0, 0, np.zeros((0, 0), bool))


def polygon(points: NDArray[np.float64], height: int, width: int) -> Region:
    """The inside of a closed outline in a picture.

    Args:
        points: (N, 2), x and y in pixels.
        height: of the picture in pixels.
        width: likewise.

    Raises:
        UserError: fewer than three points, or points outside the picture.
        ModuleNotFoundError: pycocotools is not installed.
    """
    from pycocotools import mask as coco

    if len(points) < 3:
        raise UserError(f"an outline of {len(points)} points, expected at least three. Draw it, or remove it.")
    window = _window(points, height, width)
    if window is None:
        return _EMPTY
    top, left, rows, columns = window
    flat = (points - (left, top)).ravel().tolist()
    (encoded,) = coco.frPyObjects([flat], rows, columns)  # its own `decode` warns of a change in NumPy
    return Region(top, left, from_runs(decompressed(encoded["counts"].decode()), rows, columns))


def ellipse(centre: tuple[float, float], radii: tuple[float, float], degrees: float, height: int, width: int) -> Region:
    """The inside of an ellipse.

    Args:
        centre: x and y in pixels.
        radii: half of its axes in pixels; the first lies along x before it is turned.
        degrees: clockwise turn about its centre.
        height: of the picture in pixels.
        width: likewise.

    Raises:
        UserError: the centre is outside the picture, or a number is none. Its rim may be outside.
    """
    values = np.array([*centre, *radii, degrees])
    if not np.isfinite(values).all() or min(radii) < 0:
        raise UserError(f"an ellipse about {centre} with the radii {radii}. Draw it again, or remove it.")
    refuse_outside(np.array([centre]), height, width)
    reach = max(radii)
    corners = np.array([[centre[0] - reach, centre[1] - reach], [centre[0] + reach, centre[1] + reach]])
    window = _window(corners.clip((0, 0), (width, height)), height, width)
    if window is None or min(radii) == 0:
        return _EMPTY
    top, left, rows, columns = window
    x, y = left + np.arange(columns) + 0.5 - centre[0], (top + np.arange(rows) + 0.5 - centre[1])[:, None]
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    along, across = (x * cosine + y * sine) / radii[0], (y * cosine - x * sine) / radii[1]
    return Region(top, left, along**2 + across**2 <= 1)


def union(parts: Sequence[Region]) -> Region:
    """The smallest region that holds all pixels of at least one part."""
    parts = [part for part in parts if part.inside.size]
    if not parts:
        return _EMPTY
    top, left = min(part.top for part in parts), min(part.left for part in parts)
    bottom = max(part.top + part.inside.shape[0] for part in parts)
    right = max(part.left + part.inside.shape[1] for part in parts)
    inside = np.zeros((bottom - top, right - left), bool)
    for part in parts:
        down, across = part.top - top, part.left - left
        inside[down : down + part.inside.shape[0], across : across + part.inside.shape[1]] |= part.inside
    return Region(top, left, inside)


def rectangle(one: tuple[float, float], other: tuple[float, float], degrees: float = 0.0) -> NDArray[np.float64]:
    """The corners (4, 2) of a rectangle between two opposite ones, turned clockwise about its centre."""
    (left, top), (right, bottom) = one, other
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)
    if not degrees:
        return corners
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    centre = corners.mean(0)
    return (corners - centre) @ np.array([[cosine, sine], [-sine, cosine]]) + centre


def _window(points: NDArray[np.float64], height: int, width: int) -> tuple[int, int, int, int] | None:
    """Top, left, rows and columns of the pixels that a shape may cover; None for none."""
    refuse_outside(points, height, width)
    low = np.floor(points.min(0)).astype(int).clip(0)
    high = np.minimum(np.ceil(points.max(0)).astype(int), (width, height))
    columns, rows = (high - low).tolist()
    return (int(low[1]), int(low[0]), rows, columns) if rows > 0 and columns > 0 else None


def refuse_outside(points: NDArray[np.float64], height: int, width: int) -> None:
    """Raise UserError if a point (N, 2) is no number, or lies more than `SLACK` outside the picture."""
    bad = ~((points >= -SLACK) & (points <= (width + SLACK, height + SLACK))).all(axis=1)  # NaN is outside too
    if bad.any():
        x, y = points[bad][0]
        raise UserError(
            f"the point ({x:g}, {y:g}) lies outside the image of {width} x {height} pixels (width x height). It was"
            " probably drawn on another size of the image: annotate this one, or use the image that was annotated."
        )
