"""Images that are not 8-bit RGB: any number of bands, 8 to 32 bits, integers or floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits
from prn_pipeline.data.readers.array_files import read_array
from prn_pipeline.data.readers.file_kinds import PICTURES
from prn_pipeline.data.readers.geotiff import nodata_of, without_data
from prn_pipeline.data.readers.opening import explaining
from prn_pipeline.errors import UserError

EXTENSIONS = frozenset({".npy", ".npz"}) | PICTURES
#: Largest value of a 16-bit image.
LARGEST = 65535


def decode_bands(path: Path, bands: BandSettings, limits: ReadLimits = DEFAULT_LIMITS) -> NDArray[np.uint16]:
    """An image whose values from `bands.low` to `bands.high` are scaled to 0 .. 65535 and clipped.

    Args:
        path: .tif of any kind, .npy, .npz with one array, or a picture.
        bands: their number, and the range of their values.
        limits: checked before the file is decoded.

    Values that a GeoTIFF file declares to be no data become 0.

    Returns:
        uint16 (H, W, bands.count).

    Raises:
        UserError: the file cannot be read, is too large, has another number of bands, or holds NaN.
    """
    stored = read_array(path, limits=limits)
    with explaining(path):
        nodata = nodata_of(path) if path.is_file() else None
    if nodata is not None:
        dark = stored.dtype.type(bands.low or 0)
        stored = np.where(without_data(stored, nodata), dark, stored)
    return scale_bands(stored, bands, str(path))


def scale_bands(stored: NDArray[np.generic], bands: BandSettings, name: str) -> NDArray[np.uint16]:
    """Scale an array as `decode_bands` does; `name` is for messages."""
    if stored.dtype == bool:
        stored = stored.astype(np.uint8) * np.uint8(255)
    if stored.dtype.kind not in "iuf":
        raise UserError(f"{name}: values of type {stored.dtype}, expected integers or floats. Export the image again.")
    image = _bands_last(stored, bands.count, name)
    low, high = _range(image.dtype, bands, name)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise UserError(f"{name}: NaN or infinite values. Replace them, and mark their pixels in an ignore region.")
    scaled = (image.astype(np.float64) - low) / (high - low)
    return np.rint(np.clip(scaled, 0, 1) * LARGEST).astype(np.uint16)


def _bands_last(stored: NDArray[np.generic], count: int, name: str) -> NDArray[np.generic]:
    """(H, W, bands) from (H, W, bands), from (bands, H, W), and from (H, W) if there is one band."""
    if stored.ndim == 2 and count == 1:
        return stored[..., None]
    if stored.ndim == 3 and stored.shape[2] == count:
        return stored
    if stored.ndim == 3 and stored.shape[0] == count:
        return np.moveaxis(stored, 0, 2)
    raise UserError(
        f"{name}: an array of shape {stored.shape}, expected (height, width, {count}) or ({count}, height, width)."
        " Correct `bands.count`, or export the image again."
    )


def _range(dtype: np.dtype[np.generic], bands: BandSettings, name: str) -> tuple[float, float]:
    if bands.low is not None and bands.high is not None:
        return bands.low, bands.high
    if dtype.kind == "u" and dtype.itemsize <= 2:
        return 0.0, float(np.iinfo(dtype.name).max)
    raise UserError(
        f"{name}: values of type {dtype}, which has no natural range. Set `bands: {{low: ..., high: ...}}`."
    )
