"""Input images: arrays, files, or folders of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.band_decoding import EXTENSIONS, decode_bands, scale_bands
from prn_pipeline.data.readers.contents import why_absent
from prn_pipeline.data.readers.decoding import decode_image
from prn_pipeline.data.readers.file_kinds import PICTURES
from prn_pipeline.data.readers.finding import find_files
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.data.settings import BandSettings
from prn_pipeline.errors import UserError

#: Forms of an input image.
Source: TypeAlias = NDArray[np.generic] | str | Path


def open_images(images: Source | Iterable[Source], bands: BandSettings | None) -> Iterator[Pixels]:
    """Yield images one by one, as the data set would have stored them.

    Args:
        images: one or several of: an array (H,W,C), an array of several images (N,H,W,C), a file, a folder of files
            (in order of their names).
        bands: bands of the data set; None for 8-bit RGB.

    Raises:
        UserError: a source is not an image (the message gives its index), a folder has no images, or a file is missing
            or damaged.
    """
    for index, source in enumerate(_each(images, EXTENSIONS if bands else PICTURES)):
        if isinstance(source, str | Path):
            yield decoded(Path(source), bands)
        elif bands is not None:
            yield scale_bands(source, bands, f"image {index}")
        elif source.ndim == 3 and source.shape[2] == 3 and source.dtype == np.uint8 and source.size:
            yield source.astype(np.uint8, copy=False)
        else:
            raise UserError(
                f"image {index} is an array of {source.dtype} {source.shape}; expected uint8 (height, width, 3), RGB"
            )


def decoded(path: Path, bands: BandSettings | None) -> Pixels:
    """The image in a file, as the data set would have stored it.

    Raises:
        UserError: the file is missing, or not an image.
    """
    if absent := why_absent(path):
        raise UserError(f"{path}: {absent}")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    return decode_image(path) if bands is None else decode_bands(path, bands)


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
    found = [path for path in files if path.suffix.lower() in extensions]
    if not found:
        raise UserError(f"{folder}: {len(files)} files, but no image among them ({', '.join(sorted(extensions))})")
    return found
