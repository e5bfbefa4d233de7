"""Where the pixels of a GeoTIFF lie on the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from prn_pipeline.data.readers.geotiff import is_georeferenced
from prn_pipeline.data.readers.opening import explaining


class Georeference(NamedTuple):
    """The position of an image.

    Attributes:
        crs: coordinate reference system of rasterio; None if the file has none.
        transform: affine transformation of rasterio, from pixels (x, y) to coordinates.
        name: of the reference system, for GeoJSON, such as urn:ogc:def:crs:EPSG::32633; "" if it has no such name.
    """

    crs: Any
    transform: Any
    name: str

    def of(self, x: float, y: float) -> tuple[float, float]:
        """Coordinates of a point in pixels, x to the right and y down from the corner of the image."""
        to = self.transform
        return to.a * x + to.b * y + to.c, to.d * x + to.e * y + to.f


def georeference(path: Path) -> Georeference | None:
    """The position of an image; None if its file has none. Needs the package rasterio for files that have one.

    Raises:
        UserError: the file cannot be read.
    """
    if not is_georeferenced(path):
        return None
    import rasterio

    with explaining(path), rasterio.open(path) as image:
        code = image.crs.to_authority() if image.crs else None
        name = f"urn:ogc:def:crs:{code[0]}::{code[1]}" if code else ""
        return Georeference(image.crs, image.transform, name)
