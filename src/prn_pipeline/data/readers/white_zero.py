"""TIFF masks in which 0 is white: read as they look, or as they are stored."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.file_facts import distinct_values
from prn_pipeline.data.readers.tiff_files import TiffPage

#: A mask with more values than this, from black to white, has soft edges: it is a picture, not class ids.
MOST_CLASSES = 3


class WhiteZero(NamedTuple):
    """Pixels of a file in which 0 is white, with the doubts and choices of `MaskFacts`."""

    pixels: NDArray[np.generic]
    doubts: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()


def as_meant(pixels: NDArray[np.generic], page: TiffPage, rule: MaskSettings) -> WhiteZero:
    """Stored values, or what the file looks like; which is meant is doubtful unless settings or the writer tell.

    Args:
        pixels: as stored.
        page: the file.
        rule: of the data set; its `zero_is_white` decides if it is set.
    """
    if rule.zero_is_white == "stored" or (rule.zero_is_white is None and page.values_count):
        return WhiteZero(pixels)
    high = 1 if page.bits == 1 else 2**page.bits - 1
    inverted = np.logical_not(pixels) if pixels.dtype == bool else np.subtract(high, pixels, dtype=pixels.dtype)
    if rule.zero_is_white == "shown":
        return WhiteZero(inverted)
    found = distinct_values(pixels)
    soft = len(found) > MOST_CLASSES and found[0] == 0 and found[-1] == high
    if np.isin(found, (0, high)).all() or soft:
        return WhiteZero(inverted, doubts=("zero_is_white: shown",))
    return WhiteZero(pixels, chosen=("zero_is_white: stored",))
