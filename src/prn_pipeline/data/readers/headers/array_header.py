"""The sizes that .npy, .npz and Zarr files declare."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import numpy as np
import zarr

from prn_pipeline.data.read_limits import Declared, ReadLimits
from prn_pipeline.errors import UserError

#: First bytes of an .npy file.
MAGIC = b"\x93NUMPY"
#: Bytes of the longest header of an .npy file; numpy itself refuses headers above 10,000.
_LONGEST_HEADER = 2**16
#: Most chunks of a Zarr array: each costs about 0.1 ms to look up, whether it is stored or not.
MAX_CHUNKS = 2**18


def npy_declared(path: Path) -> Declared:
    """The size of the array in an .npy file.

    Raises:
        ValueError: it is no .npy file, or is shorter than its header says.
    """
    with path.open("rb") as file:
        return _of_stream(file, path.stat().st_size)


def check_npz(path: Path, member: str | None, limits: ReadLimits) -> None:
    """Check one array of an .npz file, or all of them.

    Raises:
        UserError: an array is too large.
        Exception: whatever zipfile raises; ValueError for a damaged member.
    """
    with ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if member is not None and member not in (name, info.filename):
                continue
            with archive.open(info) as stream:
                if stream.read(len(MAGIC)) != MAGIC:
                    continue  # no array
                stream.seek(0)
                declared = _of_stream(stream, info.file_size)
            limits.check(declared, f"{path}[{name}]")


def check_zarr(path: Path, found: zarr.Array, limits: ReadLimits) -> None:
    """Check a Zarr array, of which only the description has been read.

    Raises:
        UserError: the array, or one of its chunks, is too large; or it has too many chunks.
    """
    itemsize = found.dtype.itemsize
    limits.check(shape_declared(found.shape, itemsize), path)
    for chunk in filter(None, (found.chunks, found.shards)):
        limits.check(shape_declared(chunk, itemsize), f"{path}, a chunk")  # memory is taken for whole chunks
    chunks = math.prod(-(-side // max(1, part)) for side, part in zip(found.shape, found.chunks, strict=True))
    if chunks > MAX_CHUNKS:
        raise UserError(
            f"{path}: {chunks} chunks of {found.chunks}, expected at most {MAX_CHUNKS}. Write it with larger chunks."
        )


def shape_declared(shape: tuple[int, ...], itemsize: int) -> Declared:
    """The size of an array of any shape: the shorter of its first and last axis are its bands, further axes pages."""
    sides = [1] * (2 - len(shape)) + list(shape)
    bands = 1
    if len(sides) > 2:
        bands = sides.pop(0 if sides[0] <= sides[-1] else -1)
    return Declared(sides[-2], sides[-1], bands, math.prod(sides[:-2]), itemsize)


def _of_stream(stream: IO[bytes], size: int) -> Declared:
    version = np.lib.format.read_magic(stream)
    width = 2 if version == (1, 0) else 4
    length = stream.read(width)
    header = int.from_bytes(length, "little")
    if header > _LONGEST_HEADER:
        raise ValueError(f"its header has {header} bytes, expected at most {_LONGEST_HEADER}")
    rest = io.BytesIO(length + stream.read(header))
    read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(rest)
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape is {shape}")
    declared = shape_declared(shape, dtype.itemsize)
    if 8 + width + header + declared.nbytes > size:
        raise ValueError(f"its header declares {declared}, {declared.nbytes} bytes, but the file ends before")
    return declared
