"""The size that a NIfTI file declares, also of one that is compressed."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

from prn_pipeline.data.read_limits import Declared

_GZIP = b"\x1f\x8b"
#: Bytes of the headers of NIfTI-1 and NIfTI-2.
_FIRST, _SECOND = 348, 540
#: Marks of files that hold header and values, and of a header whose values are in another file.
_MARKS, _PAIR = (b"n+1\0", b"n+2\0"), b"ni1\0"
#: Byte up to which values begin: what lies before them is read through, whatever it is.
_LATEST_START = 2**26


def is_nifti(path: Path) -> bool:
    """Whether a file begins like a NIfTI file, compressed or not."""
    start = _start(path)
    return start[344:348] in (*_MARKS, _PAIR) or start[4:8] in _MARKS


def nifti_declared(path: Path) -> Declared:
    """The size of the array in a NIfTI file: its first axis is the width, its second the height, others are pages.

    Raises:
        ValueError: the header makes no sense, or the values are in another file.
        OSError: the file is damaged.
    """
    start = _start(path)
    for order in "<>":
        length = struct.unpack(f"{order}i", start[:4])[0]
        if length == _FIRST and len(start) >= _FIRST:
            sides, bits = struct.unpack(f"{order}8h", start[40:56]), struct.unpack(f"{order}h", start[72:74])[0]
            begin = struct.unpack(f"{order}f", start[108:112])[0]
        elif length == _SECOND and len(start) >= _SECOND:
            sides, bits = struct.unpack(f"{order}8q", start[16:80]), struct.unpack(f"{order}h", start[14:16])[0]
            begin = struct.unpack(f"{order}q", start[168:176])[0]
        else:
            continue
        if start[344:348] == _PAIR:
            raise ValueError("a header whose values are in another file: save both as one .nii file")
        if not (1 <= sides[0] <= 7 and all(side >= 1 for side in sides[1 : sides[0] + 1]) and 1 <= bits <= 256):
            raise ValueError(f"its header declares the sides {sides[1:]} and {bits} bits")
        if not 0 <= begin <= _LATEST_START:
            raise ValueError(f"its values begin at byte {begin:g}")
        width, height, *others = [*sides[1 : sides[0] + 1], 1][: max(2, sides[0])]
        return Declared(int(height), int(width), 1, math.prod(others), -(-bits // 8))
    raise ValueError("its header is damaged")


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(_SECOND)
    if not start.startswith(_GZIP):
        return start
    try:
        with gzip.open(path) as file:
            return file.read(_SECOND)
    except (OSError, EOFError):
        return b""
