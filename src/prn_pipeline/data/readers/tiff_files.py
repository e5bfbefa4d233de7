"""TIFF files of any kind: pages, wide values, and what 0 means."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray

from prn_pipeline.data.readers.headers.declared import TIFF
from prn_pipeline.data.readers.headers.dicom_header import is_dicom
from prn_pipeline.data.readers.headers.tiff_header import NOT_A_PICTURE
from prn_pipeline.data.readers.orientation import TAG, UPRIGHT, upright

#: Colour spaces whose stored values are plain grey, colours or indices.
_PLAIN = frozenset({"minisblack", "miniswhite", "rgb", "palette"})
_ALPHA = frozenset({tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA})
#: Program whose arrays of bool are stored with 0 as white, although they are values and no ink.
_TIFFFILE, _IMAGEJ = "tifffile", "ImageJ="


class TiffPage(NamedTuple):
    """The pages of a TIFF file, which are of one size and kind.

    Attributes:
        pixels: as stored, upright: (H, W) or (H, W, samples), with a leading axis of several pages; None if the space
            is none of `_PLAIN`, which Pillow converts.
        pages: number of pages that are pictures: no thumbnails, no transparency masks.
        space: photometric interpretation in lower case: minisblack, miniswhite, rgb, palette, separated, ...
        bits: bits of a sample.
        has_alpha: the last sample is transparency.
        palette: uint8 (entries, 3) of space `palette`, otherwise None.
        has_samples: the last axis of `pixels` is that of the samples.
        orientation: of the file, 1 to 8; already applied.
        values_count: written by a program for arrays (tifffile, ImageJ), where 0 is 0 whatever it looks like.
        stackable: several pages of one size and type, with one sample a pixel.
        unmarked: the last of four samples beside RGB may be a band: the file does not say that it is transparency.
    """

    pixels: NDArray[np.generic] | None
    pages: int
    space: str
    bits: int
    has_alpha: bool
    palette: NDArray[np.uint8] | None
    has_samples: bool
    orientation: int
    values_count: bool
    stackable: bool
    unmarked: bool

    def stacked(self) -> NDArray[np.generic]:
        """The pixels as (pages, H, W, samples)."""
        assert self.pixels is not None
        with_samples = self.pixels if self.has_samples else self.pixels[..., None]
        return with_samples if with_samples.ndim == 4 else with_samples[None]


def is_tiff(path: Path) -> bool:
    """Whether a file begins like a TIFF file, and is no DICOM file, in front of which a TIFF header may stand."""
    with path.open("rb") as file:
        begins = file.read(4) in TIFF
    return begins and not is_dicom(path)


def read_tiff(path: Path, every_page: bool = False) -> TiffPage:
    """The first page of a TIFF file; or all pages, with a leading axis, if there are several.

    Raises:
        Exception: whatever tifffile raises; ValueError if pages that are all wanted differ in size or kind.
    """
    with tifffile.TiffFile(path) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        pages = [page for page in pages if not page.subfiletype & NOT_A_PICTURE] or pages
        first = pages[0]
        orientation = _orientation(first)
        space = tifffile.PHOTOMETRIC(first.photometric).name.lower()
        if space not in _PLAIN:
            pixels = None
        elif every_page and len(pages) > 1:
            if len({(page.shape, page.dtype) for page in pages}) > 1:
                raise ValueError(f"{len(pages)} pages of different sizes or types")
            pixels = np.stack([upright(_samples_last(page), orientation) for page in pages])
        else:
            pixels = _samples_last(first)
            if first.imagedepth == 1:
                pixels = upright(pixels, orientation)
            elif not every_page:
                pixels = pixels[0]  # of the slices of a volume
        written_by = f"{first.software}\n{first.description}"
        return TiffPage(
            pixels,
            len(pages) * first.imagedepth,
            space,
            first.bitspersample,
            bool(first.extrasamples) and first.extrasamples[-1] in _ALPHA,
            _palette(first.colormap) if space == "palette" else None,
            first.samplesperpixel > 1,
            orientation,
            written_by.startswith(_TIFFFILE) or _IMAGEJ in written_by,
            first.samplesperpixel == 1 and len({(page.shape, page.dtype) for page in pages}) == 1,
            first.samplesperpixel == 4 and not (first.extrasamples and first.extrasamples[-1] in _ALPHA),
        )


def tiff_array(path: Path) -> NDArray[np.generic]:
    """All pages of a TIFF file as one array, upright: bands may be its first or its last axis.

    Raises:
        Exception: whatever tifffile raises; ValueError if the pages differ in size or type.
    """
    with tifffile.TiffFile(path) as tiff:
        series = [found for found in tiff.series if not found.keyframe.subfiletype & NOT_A_PICTURE] or tiff.series
        if len(series) > 1:
            raise ValueError(f"{len(series)} pictures of different sizes or types in one file, expected one")
        pixels, orientation = series[0].asarray(), _orientation(series[0].keyframe)
        axes = series[0].axes
    if orientation == UPRIGHT:
        return pixels
    sides = (axes.index("Y"), axes.index("X"))
    return np.moveaxis(upright(np.moveaxis(pixels, sides, (0, 1)), orientation), (0, 1), sides)


def _samples_last(page: tifffile.TiffPage) -> NDArray[np.generic]:
    """(H, W) or (H, W, samples)."""
    pixels = page.asarray()
    if page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        return np.moveaxis(pixels, 0, -1)
    return pixels


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(TAG)
    return int(tag.value) if tag is not None and 1 <= int(tag.value) <= 8 else UPRIGHT


def _palette(colormap: NDArray[np.uint16] | None) -> NDArray[np.uint8] | None:
    """The colours of a palette: 16 bits by the standard, but some programs write 8."""
    if colormap is None:
        return None
    wide = colormap.T
    return (wide >> 8 if wide.max() > 255 else wide).astype(np.uint8)
