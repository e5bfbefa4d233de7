"""The size and orientation of an image file, without decoding it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import tifffile

from prn_pipeline.data.read_limits import ReadLimits
from prn_pipeline.data.readers.headers.declared import declared_size
from prn_pipeline.data.readers.headers.dicom_header import is_dicom
from prn_pipeline.data.readers.headers.nifti_header import is_nifti
from prn_pipeline.data.readers.headers.picture_header import open_header
from prn_pipeline.data.readers.opening import explaining
from prn_pipeline.data.readers.orientation import TAG, UPRIGHT, orientation_of
from prn_pipeline.data.readers.tiff_files import is_tiff


class StoredSize(NamedTuple):
    """Height and width of the stored pixels, and the EXIF orientation, 1 to 8, that turns them."""

    height: int
    width: int
    orientation: int

    def upright(self) -> tuple[int, int]:
        """Height and width of the picture as it is read and shown."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def stored_size(path: Path, limits: ReadLimits) -> StoredSize:
    """The size of an image file.

    Raises:
        UserError: the header cannot be read.
    """
    with explaining(path):
        declared = declared_size(path, limits)
        return StoredSize(declared.height, declared.width, _orientation(path))


def _orientation(path: Path) -> int:
    if path.suffix.lower() == ".npy" or is_dicom(path) or is_nifti(path):
        return UPRIGHT
    if is_tiff(path):
        with tifffile.TiffFile(path) as tiff:
            tag = tiff.pages.first.tags.get(TAG)
            return int(tag.value) if tag is not None and 1 <= int(tag.value) <= 8 else UPRIGHT
    with open_header(path) as picture:
        return orientation_of(picture)
