"""Opens picture files: fully decoded, upright, with the number of their pages. A damaged file is an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, ImageSequence

from prn_pipeline.data.readers.contents import why_absent
from prn_pipeline.data.readers.file_kinds import UNREAD, how_to_read, kind_of
from prn_pipeline.data.readers.headers.picture_header import ANIMATED, J2K_HEADER, J2K_SIZE, open_header
from prn_pipeline.data.readers.orientation import UPRIGHT, orientation_of, upright
from prn_pipeline.errors import UserError

#: Place of the bits of a sample behind the marker of the size in a JPEG 2000 file.
_J2K_BITS = 42
#: What is wrong with a file within the limits that does not fit.
TOO_LITTLE_MEMORY = "this machine has not enough memory to decode it. Cut it into tiles, or free some memory."
#: Bytes that tell text from pictures, and characters of it in a message.
_TEXT, _SHOWN_TEXT = 64, 24


class Opened(NamedTuple):
    """A picture file.

    Attributes:
        pictures: its first page, or all of them; decoded and upright.
        pages: their number in the file.
        wide: colours of 16 bits, of which Pillow keeps 8: take `wide_pixels` instead.
        orientation: EXIF orientation, 1 to 8; already applied.
    """

    pictures: list[Image.Image]
    pages: int
    wide: bool
    orientation: int


def open_picture(path: Path, every_page: bool = False) -> Opened:
    """Open a picture file.

    Args:
        path: of a format that Pillow reads.
        every_page: decode all pages, not only the first.

    Raises:
        Exception: whatever Pillow raises; see `explaining`.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it, and Pillow would then fill with grey
    with open_header(path) as picture:
        wide = _is_wide(picture, path)
        pages = getattr(picture, "n_frames", 1) if picture.format in ANIMATED else 1
        if every_page and pages > 1:
            orientation = orientation_of(picture)
            copies = [page.copy() for page in ImageSequence.Iterator(picture)]
            return Opened([ImageOps.exif_transpose(page) for page in copies], pages, wide, orientation)
        picture.load()
        orientation = orientation_of(picture)
        turned = picture if orientation == UPRIGHT else ImageOps.exif_transpose(picture)
        return Opened([turned], pages, wide, orientation)


def wide_pixels(path: Path, orientation: int) -> NDArray[np.uint16]:
    """Colours of 16 bits in a .png or .jp2 file, upright: uint16 (H, W, C), grey with alpha as two channels.

    Raises:
        Exception: whatever the decoder raises; see `explaining`.
    """
    content = path.read_bytes()
    decode = imagecodecs.png_decode if content.startswith(b"\x89PNG") else imagecodecs.jpeg2k_decode
    pixels = decode(content)
    if pixels.ndim != 3:  # Pillow would have opened it as grey
        raise ValueError("its headers disagree about the number of channels")
    return upright(pixels, orientation).astype(np.uint16, copy=False)


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Errors of the decoders as user errors about a file; Pillow and others raise a dozen types."""
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise UserError(f"{path}: {TOO_LITTLE_MEMORY}") from error
    except Exception as error:
        raise UserError(f"{path}: {_why_unreadable(path, error)}") from error


def _is_wide(picture: Image.Image, path: Path) -> bool:
    """Whether the file has colours, or grey with alpha, of more than 8 bits. Only the header is read."""
    if picture.mode.startswith("I"):
        return False  # grey, which Pillow reads in full
    if picture.format == "PNG":
        return any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ()))
    if picture.format == "JPEG2000":
        with path.open("rb") as file:
            header = file.read(J2K_HEADER)
        place = header.find(J2K_SIZE)
        bits = header[place + _J2K_BITS : place + _J2K_BITS + 1] if place >= 0 else b""
        return bool(bits) and (bits[0] & 0x7F) + 1 > 8
    return False


def _why_unreadable(path: Path, error: Exception) -> str:
    if absent := why_absent(path):
        return absent
    if not path.is_file():
        return "no such file. Restore it, or remove its partner and its entry in the split lists."
    if (kind := kind_of(path)) in UNREAD:
        return f"pictures of kind {kind} are not read. {how_to_read([kind])}"
    if isinstance(error, PermissionError):
        return "no permission to read it. Change the rights of the file (chmod), or remove the sample."
    if isinstance(error, Image.DecompressionBombError):
        return f"too large to decode at once ({error}). Cut it into tiles."
    text = _start_of_text(path)
    why = f"but text, which begins with '{text}':" if text else f"({error}). It may be truncated:"
    return f"not a readable picture {why} download or export it again, or remove the sample."


def _start_of_text(path: Path) -> str:
    """The first characters of a text file, such as the error page of a server; "" for anything else."""
    with path.open("rb") as file:
        start = file.read(_TEXT)
    try:
        text = start.decode()
    except UnicodeDecodeError:
        return ""
    return " ".join(text.split())[:_SHOWN_TEXT] if all(char.isprintable() or char.isspace() for char in text) else ""
