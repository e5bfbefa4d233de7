"""Outlines that a program traced around the pixels of a mask, as `cv2.findContours` does.

Their vertices are the centres of the outermost pixels, counted from 0, and these pixels belong to the object. Read as
corners, as COCO has it, such outlines lose half a pixel on every side: a fifth of a small nucleus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.shapes import Region, polygon, refuse_outside, union

#: Points (N, 2), height and width of the picture -> the pixels of an outline.
Fill = Callable[[NDArray[np.float64], int, int], Region]
#: Distance from a whole number, in pixels, that rounding leaves where labels are shares of the size.
ROUNDING = 0.05
#: Share of the outlines; programs simplify a few.
NEARLY_ALL = 0.95


def fill_of(settings: AnnotationSettings) -> Fill:
    """How the settings have outlines filled."""
    return traced_polygon if settings.vertices == "centres" else polygon


def traced_polygon(points: NDArray[np.float64], height: int, width: int) -> Region:
    """The pixels whose centre lies inside an outline through the centres of pixels, or on it.

    Args:
        points: (N, 2), x and y; 0 is the centre of the first pixel.
        height: of the picture in pixels.
        width: likewise.

    Raises:
        UserError: as `polygon`.
    """
    refuse_outside(points, height, width)
    inside = polygon(np.minimum(points + 0.5, (width, height)), height, width)
    centres = np.rint(points).astype(int).clip(0, (width - 1, height - 1))
    steps = np.abs(np.roll(centres, -1, axis=0) - centres).max(1)
    lines = [
        np.rint(np.linspace(start, end, count + 1)).astype(int)
        for start, end, count in zip(centres, np.roll(centres, -1, axis=0), steps, strict=True)
    ]
    x, y = np.concatenate(lines).T
    rim = np.zeros((y.max() - y.min() + 1, x.max() - x.min() + 1), bool)
    rim[y - y.min(), x - x.min()] = True
    return union([inside, Region(int(y.min()), int(x.min()), rim)])


def are_traced(outlines: Sequence[NDArray[np.float64]]) -> bool:
    """Whether nearly all outlines run from pixel to pixel, along the axes and, most of them, along diagonals too.

    Boxes, and outlines along the edges of pixels, have no diagonals.
    """
    found = [_steps(points) for points in outlines]
    traced = [steps for steps in found if steps is not None]
    diagonal = sum(bool((steps.min(1) > 0).any()) for steps in traced)
    return len(traced) >= NEARLY_ALL * len(found) and 2 * diagonal > len(found)


def _steps(points: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Absolute steps in x and y (N, 2) between points that are centres of pixels; None if they are none."""
    centres = np.rint(points)
    steps: NDArray[np.float64] = np.abs(np.roll(centres, -1, axis=0) - centres)
    straight = (steps.min(1) == 0) | (steps[:, 0] == steps[:, 1])
    return steps if straight.all() and np.abs(points - centres).max(initial=0) <= ROUNDING else None
