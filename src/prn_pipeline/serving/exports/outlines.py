"""Outlines of objects along the edges of their pixels, so that they enclose exactly these pixels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from prn_pipeline.serving.exports.objects import MaskObject

#: Points (x, y) of a closed line, the first one repeated at the end; x to the right, y down, in pixels from the corner.
Ring: TypeAlias = list[tuple[float, float]]


def outlines(found: MaskObject) -> list[list[Ring]]:
    """The parts of an object, which touch at corners at most: for each its outer ring, then those of its holes."""
    from rasterio.features import shapes
    from rasterio.transform import Affine

    pixels = found.pixels.astype(np.uint8)
    place = Affine.translation(found.left, found.top)
    parts = shapes(pixels, mask=found.pixels, connectivity=4, transform=place)
    return [geometry["coordinates"] for geometry, _ in parts]
