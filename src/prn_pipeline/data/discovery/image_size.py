"""A sample of images -> the key `image_size`, and what their files need beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from prn_pipeline.data.discovery.mask_rule import evenly
from prn_pipeline.data.readers.decoding import read_image
from prn_pipeline.errors import UserError

#: Images that are read.
SAMPLE = 20
#: Networks halve a map five times; larger images cost more time than the first runs need.
STEP, LARGEST = 32, 512


class ImageSize(NamedTuple):
    """The size that samples are stretched to.

    Attributes:
        size: height and width in pixels, a multiple of 32 up to 512.
        native: median height and width of the files.
        note: what a file needs, "" if all were read.
    """

    size: int
    native: tuple[int, int]
    note: str


def size_of_images(files: Sequence[Path]) -> ImageSize:
    """The size next below the median of the smaller sides.

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
    side = median(min(shape) for shape in shapes)
    native = (round(median(shape[0] for shape in shapes)), round(median(shape[1] for shape in shapes)))
    return ImageSize(min(LARGEST, max(STEP, int(side) // STEP * STEP)), native, str(refused[0]) if refused else "")
