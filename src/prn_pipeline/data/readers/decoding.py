"""Picture files of all common formats -> arrays. A damaged file is an error, never a picture with grey bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from prn_pipeline.data.readers.contents import why_absent
from prn_pipeline.data.readers.file_kinds import PICTURES, UNREAD, how_to_read, register_plugins
from prn_pipeline.errors import UserError

EXTENSIONS = PICTURES


def decode_image(path: Path) -> NDArray[np.uint8]:
    """An image as RGB.

    Its EXIF orientation is applied. Grey, palette, 1-bit, CMYK and other modes become RGB; alpha is dropped and
    transparent pixels keep their stored colour. 16-bit grey is scaled by 1/257 if a value exceeds 255. Only the first
    frame of a file is read.

    Returns:
        uint8 (H, W, 3).

    Raises:
        UserError: the file is missing, unreadable, truncated, or holds values outside 16 bits.
    """
    picture = _open(path)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        grey = _to_eight_bits(np.asarray(picture), path)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.mode in ("P", "PA"):  # by way of RGBA, so that a transparent entry keeps its stored colour
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("RGB"), dtype=np.uint8)


def decode_mask(path: Path) -> NDArray[np.integer]:
    """A mask as the class ids or grey levels that it stores.

    Palette files give the palette index (the class id in PASCAL VOC and similar data sets), unless the whole palette
    is grey: such a file is a greyscale picture and gives its grey levels, in any order of the palette. 1-bit
    files give 0 and 255, 16-bit files their values unscaled. Alpha is dropped. The mask's own EXIF orientation, if it
    has one, is applied.

    Returns:
        uint8 or int64 (H, W).

    Raises:
        UserError: the file is unreadable, or it is a colour picture and not a mask.
    """
    picture = _open(path)
    if picture.mode in ("P", "PA"):
        return _palette_values(picture)
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if picture.mode == "LA":
        return np.asarray(picture.getchannel(0))
    values = np.asarray(picture)
    if values.ndim == 3:
        if picture.mode not in ("RGB", "RGBA", "RGBX"):
            raise UserError(
                f"{path}: a mask in colour mode {picture.mode}, expected one value per pixel. Save it as a greyscale"
                " or palette PNG."
            )
        red, green, blue = values[:, :, 0], values[:, :, 1], values[:, :, 2]
        if not (np.array_equal(red, green) and np.array_equal(red, blue)):
            raise UserError(
                f"{path}: a mask whose colour channels differ, {_colours(values)}. A mask holds one value per pixel: "
                "convert the colours to class ids and save them as a greyscale or palette PNG."
            )
        return red
    if values.dtype == np.uint8:
        return values
    if not np.array_equal(values, np.trunc(values)):  # NaN too
        raise UserError(f"{path}: a mask with fractional values, expected class ids. Save integers as an 8-bit PNG.")
    return values.astype(np.int64)


def _open(path: Path) -> Image.Image:
    """The first frame, fully decoded and upright."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it, and Pillow would then fill with grey
    register_plugins()
    try:
        with Image.open(path) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen types, without a common one
        raise UserError(f"{path}: {_why_unreadable(path, error)}") from error


def _why_unreadable(path: Path, error: Exception) -> str:
    if absent := why_absent(path):
        return absent
    if not path.is_file():
        return "no such file. Restore it, or remove its partner and its entry in the split lists."
    if path.suffix.lower() in UNREAD:
        return f"pictures of kind {path.suffix.lower()} are not read. {how_to_read([path.suffix.lower()])}"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large to decode at once ({error}). Cut it into tiles."
    return f"not a readable picture ({error}). It may be truncated: download or export it again, or remove the sample."


def _to_eight_bits(grey: NDArray[np.generic], path: Path) -> NDArray[np.uint8]:
    """Grey of 16 or 32 bits to uint8; values up to 255 are taken as 8-bit data in a wide file."""
    lowest, highest = grey.min(), grey.max()
    if not (lowest >= 0 and highest <= 65535) or not np.array_equal(grey, np.trunc(grey)):
        raise UserError(
            f"{path}: pixel values from {lowest} to {highest} in {grey.dtype}, expected whole numbers from 0 to 65535. "
            "Scale the image to 8 or 16 bits and save it again."
        )
    if highest > 255:
        return np.rint(grey.astype(np.float64) / 257).astype(np.uint8)
    return grey.astype(np.uint8)


def _palette_values(picture: Image.Image) -> NDArray[np.uint8]:
    index = np.asarray(picture if picture.mode == "P" else picture.getchannel(0), dtype=np.uint8)
    palette = np.zeros((256, 3), dtype=np.uint8)
    stored = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    palette[: len(stored)] = stored
    if len(stored) and (palette == palette[:, :1]).all():
        return palette[index, 0]
    return index


def _colours(values: NDArray[np.generic]) -> str:
    different = np.unique(values.reshape(-1, values.shape[2])[:, :3], axis=0)
    named = ", ".join(str(tuple(int(channel) for channel in colour)) for colour in different[:4])
    return f"colours {named}{' ...' if len(different) > 4 else ''}"
