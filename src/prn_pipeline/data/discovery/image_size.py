"""A sample of images -> the key `image_size`, and what their files need beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from prn_pipeline.data.discovery.mask_rule import evenly
from prn_pipeline.data.readers.decoding import read_image
from prn_pipeline.data.stretched_images import MOST
from prn_pipeline.errors import UserError

#: Images that are read.
SAMPLE = 20
#: Networks halve a map five times; larger images cost more time than the first runs need.
STEP, LARGEST = 32, 512


class ImageSize(NamedTuple):
    """The size of samples.

    Attributes:
        size: for the block: a side in pixels, a multiple of 32 up to 512, to whose square images are stretched, or
            `{long_side: ...}`, which keeps their aspect.
        reason: for the size, to be written beside it.
        note: what a file needs, "" if all were read.
    """

    size: int | dict[str, int]
    reason: str
    note: str


def size_of_images(files: Sequence[Path]) -> ImageSize:
    """The size next below the median of the smaller sides, or of the longer ones where squares would squeeze objects.

    Raises:
        UserError: no image can be read.
    """
    shapes, refused = [], []
    for path in evenly(files, SAMPLE):
        try:
            shapes.append(read_image(path).pixels.shape[:2])
        except UserError as error:
            refused.append(error)
    if not shapes:
        raise refused[0]
    height, width = (round(median(shape[axis] for shape in shapes)) for axis in (0, 1))
    aspects = [shape[0] / shape[1] for shape in shapes]
    note = str(refused[0]) if refused else ""
    if max(aspects) > MOST or min(aspects) < 1 / MOST or max(aspects) > MOST * min(aspects):
        reason = f"images keep their aspect and are padded to squares: {_shapes(aspects)}"
        return ImageSize({"long_side": _step(median(max(shape) for shape in shapes))}, reason, note)
    reason = (
        f"images are stretched to this height and width; the files have {height} x {width} (median);"
        " {long_side: ...} keeps their aspect"
    )
    return ImageSize(_step(median(min(shape) for shape in shapes)), reason, note)


def _step(side: float) -> int:
    return min(LARGEST, max(STEP, int(side) // STEP * STEP))


def _shapes(aspects: Sequence[float]) -> str:
    """Why a square does not fit, from heights over widths."""
    least, most = f"{min(aspects):.2f}", f"{max(aspects):.2f}"
    if least == most:
        return f"height is {least} of the width, and a square would squeeze objects"
    return f"height is {least} to {most} of the width, and a square would squeeze objects differently"
