"""Mask files of all common formats -> the class ids or grey levels that they store."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.read_limits import DEFAULT_LIMITS, ReadLimits
from prn_pipeline.data.readers.array_files import NUMPY, read_array
from prn_pipeline.data.readers.dicom_files import read_dicom
from prn_pipeline.data.readers.file_facts import MaskFacts, mask_facts
from prn_pipeline.data.readers.headers.declared import check_file
from prn_pipeline.data.readers.headers.dicom_header import is_dicom
from prn_pipeline.data.readers.headers.nifti_header import is_nifti
from prn_pipeline.data.readers.mask_layers import Layer, layer_values, split_layer
from prn_pipeline.data.readers.nifti_files import nifti_slice
from prn_pipeline.data.readers.opening import Opened, explaining, open_picture, wide_pixels
from prn_pipeline.data.readers.tiff_files import TiffPage, is_tiff, read_tiff
from prn_pipeline.data.readers.white_zero import WhiteZero, as_meant
from prn_pipeline.errors import UserError

_AUTOMATIC = MaskSettings()


class StoredMask(NamedTuple):
    """A decoded mask file.

    Attributes:
        values: integers (H, W); (pages, H, W) if the settings unite pages; floats if the settings have a threshold.
        facts: what the file holds.
        hint: more to say in an error about these values; mostly "".
    """

    values: NDArray[np.integer | np.floating]
    facts: MaskFacts
    hint: str = ""


def read_mask(
    path: Path, rule: MaskSettings = _AUTOMATIC, classes: int = 0, limits: ReadLimits = DEFAULT_LIMITS
) -> StoredMask:
    """A mask as the class ids or grey levels that it stores.

    Palette files give the palette index, or the levels of a grey palette: see `palette_values`. 1-bit files give 0 and
    255, other files their values unscaled. Colour files count if their channels are equal. Alpha is dropped, unless it
    alone varies: see `alpha_is_mask`. TIFF files whose 0 is white are read as they look, unless a program for arrays
    wrote them. The mask's own EXIF orientation, if it has one, is applied.

    Args:
        path: a picture, or .npy or .npz with one array.
        rule: the data set's; its `palette`, `alpha`, `pages` and `zero_is_white` say how to read what is ambiguous.
        classes: number of classes; 0 for foreground.
        limits: checked before the file is decoded.

    Raises:
        UserError: the file is unreadable, too large, is a colour picture and not a mask, or has several pages.
    """
    if path.suffix.lower() in NUMPY:
        stored = read_array(path, limits=limits)
        flat = stored.squeeze(0) if stored.ndim == 3 and stored.shape[0] == 1 else stored
        return _finished([split_layer(flat, False)], 1, rule, classes, path)
    with explaining(path):
        check_file(path, limits, every_page=rule.pages == "unite")
        if is_tiff(path):
            page = read_tiff(path, every_page=rule.pages == "unite")
            if page.pixels is not None:
                _refuse_pages(page.pages, rule, path)
                return _from_tiff(page, rule, classes, path)
        if is_dicom(path):
            found = read_dicom(path, every_frame=rule.pages == "unite")
            _refuse_pages(found.frames, rule, path)
            frames = list(found.stored) if found.frames > 1 and rule.pages == "unite" else [found.stored]
            return _finished([split_layer(frame, False) for frame in frames], 1, rule, classes, path)
        if is_nifti(path):
            return _finished([split_layer(nifti_slice(path), False)], 1, rule, classes, path)
        opened = open_picture(path, every_page=rule.pages == "unite")
        _refuse_pages(opened.pages, rule, path)
        layers = [_layer(picture, opened, path) for picture in opened.pictures]
    return _finished(layers, opened.orientation, rule, classes, path)


def _refuse_pages(pages: int, rule: MaskSettings, path: Path) -> None:
    if pages > 1 and rule.pages is None:
        raise UserError(
            f"{path}: a mask of {pages} pages (or frames), expected one. Set `mask: {{pages: unite}}` if each of them"
            " shows a part of the foreground, or `mask: {pages: first}` if only the first is the mask."
        )


def _from_tiff(page: TiffPage, rule: MaskSettings, classes: int, path: Path) -> StoredMask:
    found = WhiteZero(page.stacked())
    if page.space == "miniswhite":
        found = as_meant(found.pixels, page, rule)
    samples = found.pixels.shape[3]  # a fourth one beside RGB is alpha, whether the file says so or not
    has_alpha = (page.has_alpha and samples == 2) or (page.space == "rgb" and samples == 4)
    layers = [split_layer(values, has_alpha)._replace(palette=page.palette) for values in found.pixels]
    return _finished(layers, page.orientation, rule, classes, path, found.doubts, found.chosen)


def _layer(picture: Image.Image, opened: Opened, path: Path) -> Layer:
    if opened.wide:
        values = wide_pixels(path, opened.orientation)
        return split_layer(values, values.shape[2] in (2, 4))
    mode = picture.mode
    if mode in ("P", "PA"):
        index = np.asarray(picture if mode == "P" else picture.getchannel(0), dtype=np.uint8)
        palette = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
        visible = mode == "PA" or "transparency" in picture.info
        return Layer(index, np.asarray(picture.convert("RGBA"))[..., 3] if visible else None, palette)
    if mode in ("L", "RGB") and "transparency" in picture.info:
        picture = picture.convert("LA" if mode == "L" else "RGBA")
    values = np.asarray(picture)
    if values.ndim == 3 and picture.mode not in ("RGB", "RGBX", "RGBA", "LA"):
        raise UserError(
            f"{path}: a mask in colour mode {picture.mode}, expected one value per pixel. Save it as a greyscale"
            " or palette PNG."
        )
    return split_layer(values[..., :3] if picture.mode == "RGBX" else values, picture.mode in ("LA", "RGBA"))


def _finished(
    layers: list[Layer],
    orientation: int,
    rule: MaskSettings,
    classes: int,
    path: Path,
    doubts: tuple[str, ...] = (),
    chosen: tuple[str, ...] = (),
) -> StoredMask:
    hint = ""
    pages = []
    for layer in layers:
        try:
            found = layer_values(layer, rule, classes)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        pages.append(_plain(found.values, rule, path))
        doubts, chosen, hint = (*doubts, *found.doubts), (*chosen, *found.chosen), hint or found.hint
    stacked: NDArray[Any] = pages[0] if len(pages) == 1 else np.stack(pages)
    return StoredMask(stacked, mask_facts(stacked, orientation, doubts, chosen), hint)


def _plain(values: NDArray[Any], rule: MaskSettings, path: Path) -> NDArray[np.integer | np.floating]:
    """uint8 or int64; floats where the data set's rule is a threshold."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise UserError(f"{path}: a mask of type {values.dtype}, expected class ids. Save integers as an 8-bit PNG.")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise UserError(f"{path}: a mask with NaN or infinite values. Replace them by class ids.")
        if not np.array_equal(values, np.trunc(values)):
            if rule.threshold is not None:
                return values
            raise UserError(
                f"{path}: a mask with fractional values from {values.min():.4g} to {values.max():.4g}, expected class"
                " ids. Set `mask: {threshold: ...}`, or save integers as an 8-bit PNG."
            )
    return values.astype(np.int64)
