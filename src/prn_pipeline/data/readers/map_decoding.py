"""Files that hold a map, written by any program -> logits: numpy, pictures, Zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from prn_pipeline.data.readers.array_files import ARRAYS, TIFF, read_array
from prn_pipeline.errors import UserError

Values = Literal["probabilities", "logits"]

EXTENSIONS = ARRAYS | TIFF | {".png"}
#: Least distance of a probability from 0 and 1; for integers at least half a step of their range.
SMALLEST_PROBABILITY = 1e-7
#: Probabilities may exceed [0, 1] by this much, by rounding in the program that wrote the file.
TOLERANCE = 1e-3


def decode_map(path: Path, member: str | None, values: Values, classes: int = 1) -> NDArray[np.float32]:
    """The map of an image as logits, or its maps of several classes.

    Args:
        path: .npy, .npz with one array, .png and .tif (8 or 16 bits, or float), .zarr.
        member: name of the array in an .npz file or .zarr group; None if it holds only one.
        values: kind of the stored values. Integers are scaled by their range: 255 or 65535 is 1.
        classes: number of classes; logits of several are those of a softmax and are not changed.

    Returns:
        float32 (H, W), or (classes, H, W) with several classes; finite.

    Raises:
        UserError: the file cannot be read, has another shape, or its values do not agree with `values`.
    """
    name = _named(path, member)
    stored = read_array(path, member)
    return logits_of(_flat(stored, name) if classes == 1 else _stacked(stored, classes, name), values, name)


def logits_of(stored: NDArray[np.generic], values: Values, name: str) -> NDArray[np.float32]:
    """Stored values of any shape -> logits, float32.

    Raises:
        UserError: NaN, or values that do not agree with `values`.
    """
    if stored.dtype.kind == "b":
        stored = stored.astype(np.uint8) * np.uint8(255)
    if stored.dtype.kind == "u" and stored.dtype.itemsize <= 2:
        if values == "logits":
            raise UserError(f"{name}: {stored.dtype} cannot be logits. Set `values: probabilities`, or store floats.")
        most = 2 ** (8 * stored.dtype.itemsize) - 1
        return logit(np.clip(stored.astype(np.float64) / most, 0.5 / most, 1 - 0.5 / most)).astype(np.float32)
    if stored.dtype.kind not in "fiu":
        raise UserError(f"{name}: values of type {stored.dtype}, expected floats, or integers of 8 or 16 bits.")
    floats = stored.astype(np.float32)
    low, high = (float(floats.min()), float(floats.max())) if floats.size else (0.0, 0.0)
    if not np.isfinite([low, high]).all():
        raise UserError(f"{name}: NaN or infinite values. Correct the model that gave them, or clip them.")
    if values == "logits":
        return floats
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise UserError(
            f"{name}: values from {low:.4g} to {high:.4g} of type {stored.dtype} are not probabilities. Set `values:"
            " logits` if they are logits, or store probabilities from 0 to 1."
        )
    return logit(np.clip(floats, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)).astype(np.float32)


def _flat(stored: NDArray[np.generic], name: str) -> NDArray[np.generic]:
    """(H, W), also from (1, H, W) and (H, W, 1)."""
    squeezed = stored
    while squeezed.ndim > 2 and 1 in (squeezed.shape[0], squeezed.shape[-1]):
        squeezed = squeezed[0] if squeezed.shape[0] == 1 else squeezed[..., 0]
    if squeezed.ndim != 2 or not squeezed.size:
        raise UserError(f"{name}: an array of shape {stored.shape}, expected (height, width): one value per pixel.")
    return squeezed


def _stacked(stored: NDArray[np.generic], classes: int, name: str) -> NDArray[np.generic]:
    """(classes, H, W), also from (H, W, classes)."""
    if stored.ndim == 3 and classes in (stored.shape[0], stored.shape[2]):
        return stored if stored.shape[0] == classes else np.moveaxis(stored, 2, 0)
    raise UserError(
        f"{name}: an array of shape {stored.shape}, expected ({classes}, height, width): one map for each of the"
        f" {classes} classes."
    )


def _named(path: Path, member: str | None) -> str:
    return f"{path}" if member is None else f"{path}[{member}]"
