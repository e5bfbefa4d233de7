"""DICOM files: the values of a picture, and how they are meant to be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.headers.dicom_header import opened
from prn_pipeline.errors import UserError

#: Bits that are shown as they are.
_EIGHT = 8


class DicomPicture(NamedTuple):
    """A frame of a DICOM file, or all of them with a leading axis.

    Attributes:
        stored: values as they are stored, (H, W), or (H, W, 3) of colours, which are RGB.
        frames: number of frames of the file.
        bits: of a stored value.
        slope: factor on stored values.
        intercept: what is added then; the result may be Hounsfield units, for example.
        window: lowest and highest rescaled value that are shown as black and white; None if the file has none.
        zero_is_white: low values are shown bright (MONOCHROME1).
    """

    stored: NDArray[np.generic]
    frames: int
    bits: int
    slope: float
    intercept: float
    window: tuple[float, float] | None
    zero_is_white: bool

    @property
    def values(self) -> NDArray[np.generic]:
        """Rescaled values; as stored where the file rescales nothing."""
        if self.slope == 1 and self.intercept == 0:
            return self.stored
        return self.stored.astype(np.float64) * self.slope + self.intercept

    def shades(self) -> NDArray[np.uint8] | None:
        """Grey as it is shown, uint8 (H, W): by the window, or values of 8 bits; None if neither is there."""
        if self.window is not None:
            low, high = self.window
            share = (self.values.astype(np.float64) - low) / max(high - low, 1e-9)
            grey = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
        elif self.stored.dtype == np.uint8 and self.values is self.stored:
            grey = self.stored.astype(np.uint8) * np.uint8(255 // (2 ** min(self.bits, _EIGHT) - 1))
        else:
            return None
        return 255 - grey if self.zero_is_white else grey


def read_dicom(path: Path, every_frame: bool = False) -> DicomPicture:
    """The first frame of a DICOM file, or all frames. Needs the package pydicom.

    Raises:
        UserError: the picture is compressed in a way that is not read here, or shown by a palette.
        Exception: whatever pydicom raises for a damaged file.
    """
    from pydicom.pixels import get_decoder, pixel_array

    dataset = opened(path)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not get_decoder(syntax).is_available:
        raise UserError(
            f"{path}: a DICOM picture compressed as {syntax.name}, which is not read here. Decompress it, for example"
            " with gdcmconv --raw, or install pylibjpeg[all]."
        )
    space = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if space.startswith("PALETTE"):
        raise UserError(f"{path}: a DICOM picture with a palette. Save it in grey or RGB, for example as PNG.")
    return DicomPicture(
        pixel_array(dataset, index=None if every_frame else 0),
        max(1, int(dataset.get("NumberOfFrames") or 1)),
        int(dataset.get("BitsStored") or _EIGHT),
        _number(dataset, "RescaleSlope", 1.0),
        _number(dataset, "RescaleIntercept", 0.0),
        _window(dataset),
        space == "MONOCHROME1",
    )


def dicom_array(path: Path) -> NDArray[np.generic]:
    """Rescaled values of the only frame; those of MONOCHROME1 are reversed, so that high values are bright.

    Raises:
        UserError: there are several frames; and as `read_dicom`.
    """
    found = read_dicom(path)
    if found.frames > 1:
        raise UserError(
            f"{path}: {found.frames} frames, expected one. Save the one that is meant as a file of its own."
        )
    if not found.zero_is_white:
        return found.values
    ends = 2**found.bits - 1 if found.stored.dtype.kind == "u" else -1
    return found._replace(stored=ends - found.stored.astype(np.int64)).values


def _window(dataset: Any) -> tuple[float, float] | None:
    """The ends of the first window, by the formulas of the standard (part 3, C.11.2.1.2)."""
    centre, width = (_number(dataset, name, 0.0) for name in ("WindowCenter", "WindowWidth"))
    exact = str(dataset.get("VOILUTFunction", "LINEAR")) != "LINEAR"
    if width < 1 and not (exact and width > 0):
        return None
    if exact:
        return centre - width / 2, centre + width / 2
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def _number(dataset: Any, name: str, default: float) -> float:
    value = dataset.get(name)
    if value is None or value == "":
        return default
    first = value[0] if hasattr(value, "__len__") and not isinstance(value, str) else value
    return float(first)
