"""Files that hold an array: numpy, Zarr, TIFF of any kind, pictures."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import zarr
from numpy.typing import NDArray

from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits
from prn_pipeline.data.readers.contents import why_absent
from prn_pipeline.data.readers.dicom_files import dicom_array
from prn_pipeline.data.readers.headers.array_header import check_npz, check_zarr, npy_declared
from prn_pipeline.data.readers.headers.declared import check_file
from prn_pipeline.data.readers.headers.dicom_header import is_dicom
from prn_pipeline.data.readers.headers.nifti_header import is_nifti
from prn_pipeline.data.readers.nifti_files import nifti_array
from prn_pipeline.data.readers.opening import TOO_LITTLE_MEMORY, open_picture, wide_pixels
from prn_pipeline.data.readers.tiff_files import tiff_array
from prn_pipeline.errors import UserError

NUMPY = frozenset({".npy", ".npz"})
ARRAYS = NUMPY | {".zarr"}
TIFF = frozenset({".tif", ".tiff"})
#: Kinds of files that hold one array -> how they are read.
_BY_CONTENT = (
    (is_dicom, dicom_array),
    (lambda path: path.suffix.lower() in TIFF, tiff_array),
    (is_nifti, nifti_array),
)
#: Names under which nnU-Net stores probabilities in an .npz file.
PROBABILITIES = ("probabilities", "softmax")
#: Names of arrays in one error message.
MAX_LISTED = 5


def read_array(path: Path, member: str | None = None, limits: ReadLimits = DEFAULT_LIMITS) -> NDArray[np.generic]:
    """The stored array; pictures are turned upright, other values are unchanged.

    Args:
        path: .npy, .npz, .zarr, .tif, or a picture whose pixels are values: no palette.
        member: name of the array in an .npz file or .zarr group; None if it holds only one.
        limits: checked before the file is decoded.

    Raises:
        UserError: the file is missing, unreadable, empty or too large; or holds several arrays and `member` is None.
    """
    if absent := why_absent(path):
        raise UserError(f"{path}: cannot be read: {absent}")
    try:
        found = _read(path, member, limits)
        if not found.size:
            raise ValueError(f"an array of shape {found.shape}, without any value")
        return found
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path}: {TOO_LITTLE_MEMORY}") from error
    except Exception as error:  # four libraries, without a common error type
        raise UserError(
            f"{path if member is None else f'{path}[{member}]'}: cannot be read ({error}). It may be damaged: write it"
            " again, or remove the sample."
        ) from error


def _read(path: Path, member: str | None, limits: ReadLimits) -> NDArray[np.generic]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        if zipfile.is_zipfile(path):
            raise UserError(f"{path}: holds named arrays as an .npz file does: name it {path.stem}.npz")
        limits.check(npy_declared(path), path)
        return np.load(path, allow_pickle=False)
    if suffix == ".npz":
        check_npz(path, member, limits)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return arrays[member or _only(list(arrays), path)]
    if suffix == ".zarr":
        found = zarr.open(path, mode="r")
        if isinstance(found, zarr.Group):
            found = found[member or _only(sorted(found.array_keys()), path)]
        if not isinstance(found, zarr.Array):
            raise ValueError("a group, expected an array")
        check_zarr(path, found, limits)
        return np.asarray(found)
    check_file(path, limits, every_page=suffix in TIFF or is_nifti(path))
    for is_of_kind, read in _BY_CONTENT:
        if is_of_kind(path):
            return read(path)
    opened = open_picture(path)
    if opened.pages > 1:
        raise UserError(
            f"{path}: {opened.pages} frames, expected one. Save the one that is meant as a file of its own."
        )
    if opened.wide:
        return wide_pixels(path, opened.orientation)
    picture = opened.pictures[0]
    if picture.mode in ("P", "PA", "CMYK"):
        raise UserError(
            f"{path}: a picture in mode {picture.mode}, whose pixels are not plain values. Write the probabilities"
            " themselves, as a greyscale picture or an array: a conversion of colours to grey changes them."
        )
    values = np.asarray(picture)
    return values.astype(np.uint16) if picture.mode == "I" and 0 <= values.min() <= values.max() < 2**16 else values


def holds_probabilities(path: Path) -> bool:
    """Whether an .npz file has an array with one of the names `PROBABILITIES`; False if it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return any(name in arrays for name in PROBABILITIES)
    except Exception:  # reading the map reports what is wrong with the file
        return False


def _only(names: list[str], path: Path) -> str:
    known = [name for name in PROBABILITIES if name in names]
    if len(known) == 1:
        return known[0]
    if len(names) != 1:
        raise UserError(
            f"{path}: {len(names)} arrays ({', '.join(names[:MAX_LISTED])}), expected one. Write one array"
            " per file. (Maps: if each is the map of a sample, set `folder` of the base model to this file.)"
        )
    return names[0]
