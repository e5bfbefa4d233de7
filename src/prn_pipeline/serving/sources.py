"""Input images: arrays, files, or folders of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits
from prn_pipeline.data.readers.band_decoding import EXTENSIONS, decode_bands, scale_bands
from prn_pipeline.data.readers.contents import why_absent
from prn_pipeline.data.readers.decoding import StoredImage, read_image
from prn_pipeline.data.readers.file_kinds import PICTURES, kind_of
from prn_pipeline.data.readers.finding import find_files
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.errors import UserError

#: Share of an image's pixels above the white of the training images that means another scale, not a bright spot.
TOO_BRIGHT = 0.25
#: Forms of an input image.
Source: TypeAlias = NDArray[np.generic] | str | Path


def open_images(
    images: Source | Iterable[Source],
    bands: BandSettings | None,
    white: int | None = None,
    first_page: bool = False,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> Iterator[Pixels]:
    """Yield images one by one, as the data set would have stored them.

    Args:
        images: one or several of: an array (H,W,C), an array of several images (N,H,W,C), a file, a folder of files
            (in order of their names).
        bands: bands of the data set; None for RGB.
        white: value of 16-bit pictures that becomes 255; None if the data set has 8-bit pictures only.
        first_page: read the first page of files with several.
        limits: checked before a file is decoded.

    Raises:
        UserError: a source is not an image (the message gives its index), a folder has no images, or a file is missing
            or damaged.
    """
    for index, source in enumerate(_each(images, EXTENSIONS if bands else PICTURES)):
        if isinstance(source, str | Path):
            yield decoded(Path(source), bands, white, first_page, limits)
        elif bands is not None:
            yield scale_bands(source, bands, f"image {index}")
        elif source.ndim == 3 and source.shape[2] == 3 and source.dtype == np.uint8 and source.size:
            yield source.astype(np.uint8, copy=False)
        elif white is not None and source.dtype == np.uint16 and source.size and _is_picture(source):
            yield _scaled(
                StoredImage(source.astype(np.uint16).reshape(*source.shape[:2], -1), 1), white, f"image {index}"
            )
        else:
            raise UserError(
                f"image {index} is an array of {source.dtype} {source.shape}; expected uint8 (height, width, 3), RGB"
            )


def decoded(
    path: Path,
    bands: BandSettings | None,
    white: int | None = None,
    first_page: bool = False,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> Pixels:
    """The image in a file, as the data set would have stored it; see `open_images`.

    Raises:
        UserError: the file is missing, not an image, too large, or has 16 bits on another scale than the data set.
    """
    if absent := why_absent(path):
        raise UserError(f"{path}: {absent}")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if bands is not None:
        return decode_bands(path, bands, limits)
    return _scaled(read_image(path, first_page, limits), white, str(path))


def _is_picture(array: NDArray[np.generic]) -> bool:
    return array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3))


def _scaled(stored: StoredImage, white: int | None, name: str) -> Pixels:
    if not stored.wide:
        return stored.pixels
    if white is None:
        raise UserError(
            f"{name}: a 16-bit picture, but this predictor has learned from 8-bit pictures and has no scale for it."
            " Convert it to 8 bits as those were; or set `white` in predictor.json, in the predictor's folder, to the"
            " value that is white."
        )
    if np.mean(stored.pixels > white) > TOO_BRIGHT:
        raise UserError(
            f"{name}: values up to {stored.pixels.max()}, and more than {TOO_BRIGHT:.0%} of them above {white}, which"
            " was white in training. Divide them so that they have the range of the training images."
        )
    return stored.as_rgb(white)


def _each(images: Source | Iterable[Source], extensions: frozenset[str]) -> Iterator[Source]:
    if isinstance(images, np.ndarray):
        yield from (images if images.ndim == 4 else [images])
    elif isinstance(images, str | Path):
        place = Path(images)
        yield from (_in_folder(place, extensions) if place.is_dir() else [place])
    else:
        for image in images:
            yield from _each(image, extensions)


def _in_folder(folder: Path, extensions: frozenset[str]) -> list[Path]:
    files = find_files(folder, "", "images").files
    found = [path for path in files if kind_of(path) in extensions]
    if not found:
        raise UserError(f"{folder}: {len(files)} files, but no image among them ({', '.join(sorted(extensions))})")
    return found
