"""Where the pixels of a map lie on its image: turned, stretched or padded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.map_reading import Fit, MapReading, Orientation
from prn_pipeline.errors import UserError

#: Relative difference of the aspect ratios of a map and its image that hardly moves any pixel.
RATIO_TOLERANCE = 0.03
#: Prefix of ways to pad images that keep their size.
UNSCALED = "unscaled_"


def placed(maps: NDArray[Any], reading: MapReading, native: tuple[int, int], name: str) -> NDArray[Any]:
    """Maps (..., h, w) of an image, upright and without padding.

    Args:
        maps: as stored.
        reading: `orientation` and `fit`.
        native: height and width of the image.
        name: of the file, for messages.

    Raises:
        UserError: the maps are stretched, but have another aspect ratio than the image and are no squares.
    """
    upright = turned(maps, reading.orientation)
    if reading.fit != "stretch":
        return unpadded(upright, native, reading.fit)
    height, width = upright.shape[-2:]
    if height != width and not has_ratio_of(upright, native) and not _is_rounded(height, width, native):
        raise UserError(
            f"{name}: the map is {height} x {width} (height x width), its image {native[0]} x {native[1]}."
            " Write it with the aspect ratio of the image, or as a square if the model saw stretched images. If height"
            " and width are exchanged, set `orientation: transposed`; if the map is padded, set `fit: letterbox`, or"
            " `fit: top_left` if all padding is at the right or at the bottom, or the same with the prefix unscaled_ if"
            " the image kept its size."
        )
    return upright


def has_ratio_of(maps: NDArray[Any], native: tuple[int, int]) -> bool:
    """Whether maps (..., h, w) have the aspect ratio of their image."""
    height, width = maps.shape[-2:]
    return abs((height / width) / (native[0] / native[1]) - 1) <= RATIO_TOLERANCE


def _is_rounded(height: int, width: int, native: tuple[int, int]) -> bool:
    """Whether both sides of a map are those of its image divided by one number, rounded down or up.

    A model that gives one value for every 8 or 16 pixels makes a map of 40 x 29 of an image of 320 x 239, whose aspect
    ratio differs by more than `RATIO_TOLERANCE`.
    """
    return (height - 1) * native[1] < (width + 1) * native[0] and (width - 1) * native[0] < (height + 1) * native[1]


def unpadded(maps: NDArray[Any], native: tuple[int, int], fit: Fit) -> NDArray[Any]:
    """The part of padded maps (..., h, w) that shows the image.

    Args:
        maps: of an input that the image was scaled into, with its aspect ratio, and padded.
        native: height and width of the image.
        fit: "letterbox" if the image is in the middle, "top_left" or "bottom_right" if it is in that corner; with the
            prefix "unscaled_" if it was not scaled, unless it is larger than the map.
    """
    height, width = maps.shape[-2:]
    factor = min(height / native[0], width / native[1])
    if fit.startswith(UNSCALED):
        factor = min(factor, 1.0)
    rows = min(height, max(1, round(native[0] * factor)))
    columns = min(width, max(1, round(native[1] * factor)))
    free = height - rows, width - columns
    starts = {"letterbox": (free[0] // 2, free[1] // 2), "top_left": (0, 0), "bottom_right": free}
    top, left = starts[fit.removeprefix(UNSCALED)]
    return maps[..., top : top + rows, left : left + columns]


def turned(maps: NDArray[Any], orientation: Orientation) -> NDArray[Any]:
    """Upright maps, from maps (..., h, w) that are turned as `orientation` says.

    Rotations are anticlockwise, in degrees: a map that is `rotated_90` is what `numpy.rot90` makes of the upright one.
    """
    quarter_turns = {"rotated_90": 3, "rotated_180": 2, "rotated_270": 1}
    if orientation in quarter_turns:
        return np.rot90(maps, quarter_turns[orientation], axes=(-2, -1))
    if orientation in ("transposed", "antitransposed"):
        transposed = np.swapaxes(maps, -2, -1)
        return transposed if orientation == "transposed" else transposed[..., ::-1, ::-1]
    flips = {"left_right": (slice(None), slice(None, None, -1)), "top_bottom": (slice(None, None, -1), slice(None))}
    return maps[(..., *flips[orientation])] if orientation in flips else maps
