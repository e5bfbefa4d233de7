"""The size that a DICOM file declares."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from prn_pipeline.data.read_limits import Declared
from prn_pipeline.data.readers.headers.embedded import JPEG, JPEG_2000, check_embedded
from prn_pipeline.errors import UserError

#: Bytes of a DICOM file before its mark, and the mark.
_PREAMBLE, _MARK = 128, b"DICM"
#: Transfer syntax of files that are compressed as a whole, so that a small one may unfold to any size.
_DEFLATED = "1.2.840.10008.1.2.1.99"


def is_dicom(path: Path) -> bool:
    """Whether a file begins like a DICOM file."""
    with path.open("rb") as file:
        file.seek(_PREAMBLE)
        return file.read(len(_MARK)) == _MARK


def dicom_declared(path: Path) -> Declared:
    """The size of the frames of a DICOM file, without decoding them. Needs the package pydicom.

    Raises:
        UserError: the file is compressed as a whole.
        ValueError: it holds no picture, or a frame is far larger than it declares.
        Exception: whatever pydicom raises for a damaged file.
    """
    dataset = opened(path)
    height, width = (int(dataset.get(name) or 0) for name in ("Rows", "Columns"))
    if min(height, width) < 1 or "PixelData" not in dataset:
        raise ValueError("a DICOM file without a picture")
    frames, samples = int(dataset.get("NumberOfFrames") or 1), int(dataset.get("SamplesPerPixel") or 1)
    declared = Declared(height, width, samples, max(1, frames), max(1, int(dataset.get("BitsAllocated") or 16) // 8))
    _check_frame(dataset, declared)
    return declared


def opened(path: Path) -> Any:
    """The data set of a DICOM file: pydicom.Dataset, whose frames are not decoded.

    Raises:
        UserError: the file is compressed as a whole.
        Exception: whatever pydicom raises for a damaged file.
    """
    import pydicom

    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID") == _DEFLATED:
        raise UserError(
            f"{path}: a DICOM file that is compressed as a whole (deflated), whose size nothing declares. Save it with"
            " another transfer syntax, for example with dcmconv."
        )
    return pydicom.dcmread(path)


def _check_frame(dataset: Any, declared: Declared) -> None:
    """Check that the first frame is no larger than the file declares, if it is a JPEG or JPEG 2000 picture."""
    from pydicom.encaps import generate_frames
    from pydicom.uid import JPEG2000TransferSyntaxes, JPEGTransferSyntaxes

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    of_jpeg, of_j2k = syntax in JPEGTransferSyntaxes, syntax in JPEG2000TransferSyntaxes
    if of_jpeg or of_j2k:
        frame = next(generate_frames(dataset.PixelData, number_of_frames=declared.pages))
        kind = next(iter(JPEG if of_jpeg else JPEG_2000))
        check_embedded(io.BytesIO(frame), kind, [0], declared.height * declared.width)
