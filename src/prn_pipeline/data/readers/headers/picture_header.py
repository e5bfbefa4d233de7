"""Opens pictures for their headers: only formats that are read here, so that no other decoder is ever reached."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from prn_pipeline.data.read_limits import Declared
from prn_pipeline.data.readers.file_kinds import register_plugins

#: Pillow's names of the formats that are read. Not among them are those that start other programs (EPS: Ghostscript),
#: vector graphics, and formats of one operating system.
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "HEIF", "JPEG", "JPEG2000", "JXL", "MPO", "PNG", "PPM", "TIFF", "WEBP")
#: Formats whose frames are equals. Others, such as MPO of phones, put previews and the like behind the picture.
ANIMATED = frozenset({"GIF", "WEBP", "PNG", "AVIF", "TIFF"})
#: Marker of the image's size in a JPEG 2000 file, which the box around it may contradict; bytes that are searched.
J2K_SIZE, J2K_HEADER = b"\xff\x4f\xff\x51", 4096


def open_header(path: Path) -> Image.Image:
    """A picture of which only the header has been read; close it after use.

    Raises:
        Exception: whatever Pillow raises.
    """
    register_plugins()
    Image.init()
    return Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])


def picture_declared(path: Path, most_pages: int) -> Declared:
    """The size of a picture; counting frames ends above `most_pages`.

    Raises:
        Exception: whatever Pillow raises.
    """
    with open_header(path) as picture:
        width, height = picture.size
        if picture.format == "JPEG2000":
            with path.open("rb") as file:
                width, height = (max(pair) for pair in zip((width, height), j2k_size(file), strict=True))
        if picture.format == "GIF":
            pages = _gif_frames(path, most_pages)
        else:
            pages = getattr(picture, "n_frames", 1) if picture.format in ANIMATED else 1
        itemsize = 4 if picture.mode in ("I", "F") else 2 if picture.mode.startswith("I;16") else 1
        return Declared(height, width, len(picture.getbands()), pages, itemsize)


def j2k_size(file: BinaryIO, start: int = 0) -> tuple[int, int]:
    """Width and height in the codestream of a JPEG 2000 picture that begins at `start`; (0, 0) if there is none."""
    file.seek(start)
    header = file.read(J2K_HEADER)
    place = header.find(J2K_SIZE)
    if place < 0 or len(header) < place + 24:
        return 0, 0
    right, bottom, left, top = struct.unpack(">4I", header[place + 8 : place + 24])
    return right - left, bottom - top


def _gif_frames(path: Path, most: int) -> int:
    """Frames of a GIF file, at most one more than `most`. Pillow counts on, however many there are."""
    content = path.read_bytes()
    place = 13 + (3 * 2 ** ((content[10] & 7) + 1) if content[10] & 0x80 else 0)
    frames = 0
    while place < len(content) and frames <= most and content[place : place + 1] in (b"\x21", b"\x2c"):
        if content[place] == 0x2C:
            frames += 1
            flags = content[place + 9] if place + 9 < len(content) else 0
            place += 11 + (3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0)
        else:
            place += 2
        while place < len(content) and content[place]:
            place += 1 + content[place]
        place += 1
    return max(1, frames)
