"""What GeoTIFF files say beside their pixels: whether they lie on a map, and which value means no data."""

from __future__ import annotations

import math
from pathlib import Path

import tifffile

from prn_pipeline.data.readers.orientation import TAG, UPRIGHT
from prn_pipeline.data.readers.tiff_files import is_tiff

#: Tags that place an image on a map: scale of pixels, transformation, keys of the reference system.
_ON_MAP = (33550, 34264, 34735)
#: Tag in which GDAL writes the value of pixels without data, as text.
_NODATA = 42113


def is_georeferenced(path: Path) -> bool:
    """Whether a file is a TIFF file on a map. One that an orientation turns counts as any other picture."""
    if not path.is_file() or not is_tiff(path):
        return False
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        orientation = tags.get(TAG)
        return any(tag in tags for tag in _ON_MAP) and (orientation is None or orientation.value == UPRIGHT)


def nodata_of(path: Path) -> float | None:
    """The value of pixels without data in a TIFF file, which may be NaN; None if it names none.

    Raises:
        Exception: whatever tifffile raises for a damaged file.
    """
    if not is_tiff(path):
        return None
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags.get(_NODATA)
        text = "" if tag is None else str(tag.value).strip("\0 ")
    try:
        return float(text)
    except ValueError:
        return math.nan if text.lower() in ("nan", "-nan") else None
