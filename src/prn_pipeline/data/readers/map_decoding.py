"""Files that hold a map, written by any program -> logits: numpy, pictures, Zarr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, logsumexp

from prn_pipeline.data.readers.array_files import ARRAYS, TIFF, read_array
from prn_pipeline.data.readers.map_channels import class_planes, foreground_channel, planes_of
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.errors import UserError

EXTENSIONS = ARRAYS | TIFF | {".png"}
#: Least distance of a probability from 0 and 1; for integers at least half a step of their range.
SMALLEST_PROBABILITY = 1e-7
#: Probabilities may exceed [0, 1] by this much, by rounding in the program that wrote the file.
TOLERANCE = 1e-3
#: The sigmoid of 0 and of 1: probabilities that went through another sigmoid lie between them.
DOUBLE_SIGMOID = (0.5, 1 / (1 + np.exp(-1)))
#: Values of a probability of 1 in other scales.
SCALES = (100, 127, 255, 1000, 1023, 4095, 10000, 32767, 65535)
#: The highest value of many maps is at least this share of the value of a probability of 1.
NEARLY_ONE = 0.9


def decode_map(path: Path, member: str | None, reading: MapReading, classes: int = 1) -> NDArray[np.float32]:
    """The map of an image as logits, or its maps of several classes.

    Args:
        path: .npy, .npz with one array, .png and .tif (8 or 16 bits, or float), .zarr.
        member: name of the array in an .npz file or .zarr group; None if it holds only one.
        reading: what the stored values and channels mean. Integers of 8 or 16 bits are scaled by their range, unless
            it has a `scale`: 255 or 65535 is 1.
        classes: number of classes; logits of several are those of a softmax and are not changed.

    Returns:
        float32 (H, W), or (classes, H, W) with several classes; finite, as they lie in the file.

    Raises:
        UserError: the file cannot be read, has another shape, or its values do not agree with `reading`.
    """
    return decode_array(read_array(path, member, reading.read_limits), reading, classes, named(path, member))


def decode_array(stored: NDArray[np.generic], reading: MapReading, classes: int, name: str) -> NDArray[np.float32]:
    """`decode_map` for an array that has been read from the file `name`."""
    if classes > 1:
        return logits_of(class_planes(stored, classes, reading.class_channels, name), reading, name)
    planes = planes_of(stored, name)
    if reading.class_channels is not None:
        raise UserError(f"{name}: `class_channels` is for data sets with `classes`: set `foreground` instead.")
    channel = foreground_channel(planes, reading.foreground, name)
    if len(planes) == 1:
        logits = logits_of(planes[0], reading, name)
        return -logits if channel == 0 and reading.foreground == 0 else logits
    if not reading.holds_logits:
        return logits_of(planes[channel], reading, name)
    of_softmax = logits_of(planes, reading, name)
    return of_softmax[channel] - logsumexp(np.delete(of_softmax, channel, 0), axis=0).astype(np.float32)


def logits_of(stored: NDArray[np.generic], reading: MapReading, name: str) -> NDArray[np.float32]:
    """Stored values of any shape -> logits, float32.

    Raises:
        UserError: NaN, or values that do not agree with `reading`.
    """
    if reading.holds_logits and (stored.dtype.kind == "b" or _is_scaled(stored)):
        raise UserError(f"{name}: {stored.dtype} cannot be logits. Set `values: probabilities`, or store floats.")
    if stored.dtype.kind == "b":
        stored = stored.astype(np.float32) * np.float32(reading.scale or 1)
    if stored.dtype.kind not in "fiu":
        raise UserError(f"{name}: values of type {stored.dtype}, expected floats, or integers of 8 or 16 bits.")
    if stored.dtype.kind == "f":
        floats = stored.astype(np.float32)
        low, high = (float(floats.min()), float(floats.max())) if floats.size else (0.0, 0.0)
        if not np.isfinite([low, high]).all():
            raise UserError(f"{name}: NaN or infinite values. Correct the model that gave them, or clip them.")
    if reading.holds_logits:
        return stored.astype(np.float32)
    probabilities, least = _probabilities(stored, reading, name)
    if reading.values == "double_sigmoid":
        probabilities = logit(np.clip(probabilities, *DOUBLE_SIGMOID))
    return logit(np.clip(probabilities, least, 1 - least)).astype(np.float32)


def remedy(low: float, high: float) -> str:
    """What to do with values from `low` to `high`, which are not probabilities."""
    if low < -TOLERANCE:
        if abs(low + 1) <= 0.01 and abs(high - 1) <= 0.01:
            return "Store (x + 1) / 2 for a value x if they go from -1 to 1 by intention, or set `values: logits`"
        return "Set `values: logits` if they are logits, or store probabilities from 0 to 1"
    if high <= 2 or high > SCALES[-1]:
        return "Store probabilities from 0 to 1, or set `scale` to the value that means a probability of 1"
    scale = likely_scale(high)
    if scale is None:
        return (
            "Set `scale` to the value that means a probability of 1, such as `scale: 100` if they are percent, or"
            " `scale: 255` if they are probabilities of 8 bits"
        )
    percent = "they are percent" if scale == 100 else f"{scale} means a probability of 1: they are then divided by it"
    return f"Set `scale: {scale}` if {percent}"


def likely_scale(high: float, share: float = NEARLY_ONE) -> int | None:
    """The known scale that is nearest above the highest value of many maps; None if none is near."""
    near = [scale for scale in SCALES if share * scale <= high <= scale * (1 + TOLERANCE)]
    return min(near, default=None)


def named(path: Path, member: str | None) -> str:
    """The file of a map, for messages."""
    return f"{path}" if member is None else f"{path}[{member}]"


def _probabilities(stored: NDArray[np.generic], reading: MapReading, name: str) -> tuple[NDArray[np.floating], float]:
    """Values divided by their scale, and the least distance from 0 and 1 that a probability is to have."""
    range_of_dtype = 2 ** (8 * stored.dtype.itemsize) - 1 if _is_scaled(stored) else 1
    scale = reading.scale or range_of_dtype
    whole = stored.dtype.kind in "iu" and scale > 1
    values = stored.astype(np.float64) / scale if whole else stored.astype(np.float32) / np.float32(scale)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        divided = f" divided by `scale: {reading.scale:g}`" if reading.scale else ""
        advice = "Correct `scale`" if reading.scale else remedy(low, high)
        raise UserError(
            f"{name}: values from {low:.4g} to {high:.4g} of type {stored.dtype}{divided} are not probabilities."
            f" {advice}."
        )
    if reading.values == "double_sigmoid" and (low < DOUBLE_SIGMOID[0] - 0.01 or high > DOUBLE_SIGMOID[1] + 0.01):
        raise UserError(
            f"{name}: probabilities from {low:.4g} to {high:.4g}, but a double sigmoid lies between 0.5 and 0.7311."
            " Set `values: probabilities`."
        )
    return values, 0.5 / scale if whole else SMALLEST_PROBABILITY


def _is_scaled(stored: NDArray[np.generic]) -> bool:
    return stored.dtype.kind == "u" and stored.dtype.itemsize <= 2
