"""Image files of all common formats -> arrays. A damaged file is an error, never a picture with grey bars."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits
from prn_pipeline.data.readers.dicom_files import DicomPicture, read_dicom
from prn_pipeline.data.readers.file_kinds import PICTURES
from prn_pipeline.data.readers.geotiff import nodata_of, without_data
from prn_pipeline.data.readers.headers.declared import check_file
from prn_pipeline.data.readers.headers.dicom_header import is_dicom
from prn_pipeline.data.readers.headers.nifti_header import is_nifti
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.data.readers.nifti_files import nifti_slice
from prn_pipeline.data.readers.opening import explaining, open_picture, wide_pixels
from prn_pipeline.data.readers.orientation import UPRIGHT
from prn_pipeline.data.readers.tiff_files import TiffPage, is_tiff, read_tiff
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.data.shades import shades, white_of
from prn_pipeline.errors import UserError

EXTENSIONS = PICTURES


class StoredImage(NamedTuple):
    """An image file as it is stored.

    Attributes:
        pixels: uint8 (H, W, 3), RGB; or uint16 (H, W, 1 or 3) of wide values that have no scale yet.
        orientation: EXIF orientation, 1 to 8; already applied.
        zero_is_white: wide values of a TIFF file whose 0 is white.
        band_left_out: a fourth sample beside RGB varies and is not marked as transparency: infrared, for example.
    """

    pixels: Pixels
    orientation: int
    zero_is_white: bool = False
    band_left_out: bool = False

    @property
    def wide(self) -> bool:
        """Whether the values need a scale."""
        return self.pixels.dtype == np.uint16

    def as_rgb(self, white: int) -> NDArray[np.uint8]:
        """uint8 (H, W, 3); of wide values, `white` becomes 255."""
        if not self.wide:
            return self.pixels.astype(np.uint8, copy=False)
        rgb = shades(self.pixels.astype(np.uint16, copy=False), white)
        return 255 - rgb if self.zero_is_white else rgb


def decode_image(
    path: Path, white: int | None = None, first_page: bool = False, limits: ReadLimits = DEFAULT_LIMITS
) -> NDArray[np.uint8]:
    """An image as RGB.

    Its EXIF orientation is applied. Grey, palette, 1-bit, CMYK and other modes become RGB; alpha is dropped and
    transparent pixels keep their stored colour.

    Args:
        path: a picture file.
        white: value of 16-bit files that becomes 255; None: that of the bits which this file uses, see `white_of`.
        first_page: read the first page of a file with several.
        limits: checked before the file is decoded.

    Returns:
        uint8 (H, W, 3).

    Raises:
        UserError: the file is missing, unreadable, truncated, too large, has several pages, or values outside 16 bits.
    """
    stored = read_image(path, first_page, limits)
    return stored.as_rgb(white if white is not None else white_of(int(stored.pixels.max())))


def decode_mask(path: Path) -> NDArray[np.generic]:
    """The values of a mask without rule; see `read_mask`."""
    return read_mask(path).values


def read_image(path: Path, first_page: bool = False, limits: ReadLimits = DEFAULT_LIMITS) -> StoredImage:
    """An image as `decode_image` reads it, but wide values have no scale yet."""
    with explaining(path):
        check_file(path, limits)
        if is_tiff(path):
            page = read_tiff(path)
            if page.pixels is not None:
                _refuse_pages(page.pages, first_page, path, page.pages if page.stackable else 0)
                return _from_tiff(page, path)
        if is_dicom(path):
            found = read_dicom(path)
            _refuse_pages(found.frames, first_page, path)
            return _from_dicom(found, path)
        if is_nifti(path):
            return _shown(nifti_slice(path), path)
        opened = open_picture(path)
        _refuse_pages(opened.pages, first_page, path)
        picture = opened.pictures[0]
        if opened.wide:
            wide = wide_pixels(path, opened.orientation)
            return StoredImage(wide[..., : 3 if wide.shape[2] >= 3 else 1], opened.orientation)
        if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
            return StoredImage(_sixteen_bits(np.asarray(picture)[..., None], path), opened.orientation)
        if picture.mode in ("P", "PA"):  # by way of RGBA, so that a transparent entry keeps its stored colour
            picture = picture.convert("RGBA")
        return StoredImage(np.asarray(picture.convert("RGB"), dtype=np.uint8), opened.orientation)


def _refuse_pages(pages: int, first_page: bool, path: Path, bands: int = 0) -> None:
    """Refuse several pages; `bands` is the number of bands that they give together, 0 if they cannot."""
    if pages > 1 and not first_page:
        stacked = f"Set `bands: {{count: {bands}}}` if they are the bands of one image, or" if bands else "Set"
        raise UserError(
            f"{path}: an image of {pages} pages (or frames), expected one. {stacked} `first_page: true` if only the"
            " first one counts."
        )


def _from_tiff(page: TiffPage, path: Path) -> StoredImage:
    pixels = page.stacked()[0]
    if (nodata := nodata_of(path)) is not None:
        pixels = np.where(without_data(pixels, nodata), np.zeros((), pixels.dtype), pixels)
    samples = pixels.shape[2]
    colours = {1: 1, 2: 1, 3: 3, 4: 3}.get(samples, 0)
    if page.space == "palette" and page.palette is not None:
        return StoredImage(page.palette[pixels[..., 0]], page.orientation)
    if not colours or (samples == 2 and not page.has_alpha) or (samples == 4 and page.space != "rgb"):
        raise UserError(f"{path}: {samples} bands, expected RGB or grey. Set `bands: {{count: {samples}}}`.")
    left_out = page.unmarked and not _is_transparency(pixels[..., -1])
    pixels = pixels[..., :colours]
    if pixels.dtype in (np.bool_, np.uint8):
        high = 1 if pixels.dtype == bool else min(255, 2**page.bits - 1)
        grey = pixels.astype(np.uint8) * np.uint8(255 // high)  # 1, 2, 4 or 8 bits
        grey = 255 - grey if page.space == "miniswhite" else grey
        return StoredImage(np.repeat(grey, 3 // colours, axis=2), page.orientation, band_left_out=left_out)
    return StoredImage(_sixteen_bits(pixels, path), page.orientation, page.space == "miniswhite", left_out)


def _from_dicom(found: DicomPicture, path: Path) -> StoredImage:
    if found.stored.ndim == 2 and (grey := found.shades()) is not None:
        return _shown(grey, path)
    return _shown(found.values, path)._replace(zero_is_white=found.zero_is_white)


def _shown(values: NDArray[np.generic], path: Path) -> StoredImage:
    """Grey (H, W) or colours (H, W, 3) as an image; values of more than 8 bits have no scale yet."""
    pixels = values if values.ndim == 3 else values[..., None]
    if pixels.dtype == np.uint8:
        return StoredImage(np.repeat(pixels, 3 // pixels.shape[2], axis=2).astype(np.uint8), UPRIGHT)
    return StoredImage(_sixteen_bits(pixels, path), UPRIGHT)


def _is_transparency(sample: NDArray[np.generic]) -> bool:
    """Whether a sample has at most two values, as where each pixel is visible or not."""
    return bool(np.isin(sample, (sample.min(), sample.max())).all())


def _sixteen_bits(values: NDArray[np.generic], path: Path) -> NDArray[np.uint16]:
    """Grey or colours of 16 or 32 bits as uint16."""
    lowest, highest = values.min(), values.max()
    if values.dtype.kind not in "iuf" or not np.isfinite([lowest, highest]).all():
        raise UserError(f"{path}: NaN, infinite or complex pixel values ({values.dtype}). Replace them by numbers.")
    if not (lowest >= 0 and highest <= 65535) or not np.array_equal(values, np.trunc(values)):
        low, high = (0, 1) if lowest >= 0 and highest <= 1 else (lowest, highest)
        raise UserError(
            f"{path}: pixel values from {lowest:.6g} to {highest:.6g} in {values.dtype}, expected whole numbers from 0"
            f" to 65535. Name the range of the data set: `bands: {{count: {values.shape[2]}, low: {low:.4g}, high:"
            f" {high:.4g}}}`; or save the images with 8 or 16 bits."
        )
    return values.astype(np.uint16)
