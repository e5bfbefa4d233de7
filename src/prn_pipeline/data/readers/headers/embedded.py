"""Strips and tiles of TIFF files that are pictures of their own: JPEG and JPEG 2000 state their own size."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

from prn_pipeline.data.readers.headers.picture_header import j2k_size

#: Numbers of compressions in TIFF files.
JPEG = frozenset({6, 7, 33007, 34892})
JPEG_2000 = frozenset({33003, 33004, 33005, 34712})
#: A strip may be larger than its share of the page by padding: this many times, and by this many pixels.
_PADDING, _SPARE = 4, 2**20
#: Segments of a JPEG before its frame that are passed over: tables, profiles, comments.
_MAX_SEGMENTS = 512


def check_embedded(file: BinaryIO, compression: int, places: Iterable[int], pixels: int) -> None:
    """Check that the pictures in a page are no larger than its strips or tiles.

    Args:
        file: the TIFF file.
        compression: of the page.
        places: of its strips or tiles.
        pixels: of one strip or tile.

    Raises:
        ValueError: one declares far more.
    """
    size = _jpeg_size if compression in JPEG else j2k_size
    for place in places:
        width, height = size(file, place)
        if width * height > _PADDING * pixels + _SPARE:
            raise ValueError(f"a strip or tile of {width} x {height} pixels in a place for {pixels} pixels")


def _jpeg_size(file: BinaryIO, place: int) -> tuple[int, int]:
    """Width and height in the frame header of a JPEG; (0, 0) if there is none."""
    place += 2
    for _ in range(_MAX_SEGMENTS):
        file.seek(place)
        head = file.read(9)
        if len(head) < 9 or head[0] != 0xFF:
            break
        if 0xC0 <= head[1] <= 0xCF and head[1] not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[5:9])
            return width, height
        place += 1 if head[1] == 0xFF else 2 + struct.unpack(">H", head[2:4])[0]
    return 0, 0
