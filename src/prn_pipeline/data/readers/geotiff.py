"""What GeoTIFF files say beside their pixels: whether they lie on a map, and which value means no data."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from prn_pipeline.data.read_limits import ReadLimits
from prn_pipeline.data.readers.headers.declared import check_file
from prn_pipeline.data.readers.opening import explaining
from prn_pipeline.data.readers.orientation import TAG, UPRIGHT
from prn_pipeline.data.readers.tiff_files import is_tiff, read_tiff

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


def pixels_without_data(path: Path, limits: ReadLimits, every_page: bool = False) -> NDArray[np.bool_] | None:
    """Pixels of an image whose bands all have the value that means no data: bool (H, W), upright; None if none can.

    Args:
        path: an image of any kind.
        limits: checked before the file is decoded.
        every_page: whether the pages of the file are bands of the image.

    Raises:
        UserError: the file is too large, or damaged.
    """
    with explaining(path):
        if not is_tiff(path):
            return None
        check_file(path, limits, every_page)
        value = nodata_of(path)
        page = None if value is None else read_tiff(path, every_page)
        if page is None or page.pixels is None:
            return None
        return np.asarray(without_data(page.stacked(), value).all((0, 3)))


def without_data(values: NDArray[np.generic], value: float | None) -> NDArray[np.bool_]:
    """Which values mean that there is no data, bool of the same shape."""
    if value is None:
        return np.zeros(values.shape, bool)
    if math.isnan(value):
        return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    with np.errstate(over="ignore"):
        return np.asarray(values == (values.dtype.type(value) if values.dtype.kind == "f" else value))


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
