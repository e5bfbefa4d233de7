"""Masks of GeoTIFF images that lie where their images do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.serving.exports.georeference import Georeference

#: Folder of the files in the folder of results.
FOLDER = "geotiff"


def geotiff_file(out: Path, name: str) -> Path:
    """The file of an image."""
    return out / FOLDER / f"{name}.tif"


def write_geotiff(file: Path, values: NDArray[np.uint8], place: Georeference) -> None:
    """Write the values of a mask, uint8 (H, W), with reference system and transformation, atomically."""
    import rasterio

    height, width = values.shape
    with (
        atomic_write(file) as temporary,
        rasterio.open(
            temporary,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=1,
            dtype="uint8",
            crs=place.crs,
            transform=place.transform,
            compress="deflate",
        ) as image,
    ):
        image.write(values, 1)
