"""The size of any file of an image, a mask or a map, as its header declares it."""

from __future__ import annotations

from pathlib import Path

from prn_pipeline.data.read_limits import DEFAULT_LIMITS, Declared, ReadLimits
from prn_pipeline.data.readers.headers.array_header import MAGIC, npy_declared
from prn_pipeline.data.readers.headers.dicom_header import dicom_declared, is_dicom
from prn_pipeline.data.readers.headers.nifti_header import is_nifti, nifti_declared
from prn_pipeline.data.readers.headers.picture_header import picture_declared
from prn_pipeline.data.readers.headers.tiff_header import tiff_declared

#: First bytes of TIFF and BigTIFF files, of either byte order.
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def declared_size(path: Path, limits: ReadLimits = DEFAULT_LIMITS) -> Declared:
    """Height, width, bands and pages of a picture, a TIFF, DICOM, NIfTI or .npy file, known by its first bytes.

    No memory is taken for its values, and the time is proportional to the size of the file at most.

    Raises:
        Exception: the header cannot be read; Pillow, numpy and others raise many types.
        UserError: there are more than `limits.pages` pages.
    """
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if is_dicom(path):  # a TIFF header may stand in front
        return dicom_declared(path)
    if start[:4] in TIFF:
        return tiff_declared(path, limits)
    if start == MAGIC:
        return npy_declared(path)
    if is_nifti(path):
        return nifti_declared(path)
    return picture_declared(path, limits.pages)


def check_file(path: Path, limits: ReadLimits, every_page: bool = False) -> None:
    """Check such a file before it is decoded: all its pages, or one.

    Raises:
        UserError: it is too large.
        Exception: as `declared_size`.
    """
    limits.check(declared_size(path, limits), path, every_page)
