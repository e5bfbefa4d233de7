"""Mask files of all common formats -> the class ids or grey levels that they store."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.readers.array_files import NUMPY, read_array
from prn_pipeline.data.readers.file_facts import MaskFacts, distinct_values, mask_facts
from prn_pipeline.data.readers.opening import Opened, explaining, open_picture, wide_pixels
from prn_pipeline.data.readers.palettes import palette_values
from prn_pipeline.data.readers.tiff_files import TiffPage, is_tiff, read_tiff
from prn_pipeline.data.readers.transparency import alpha_is_mask
from prn_pipeline.data.settings import MaskSettings
from prn_pipeline.errors import UserError

_AUTOMATIC = MaskSettings()
#: Colours in one error message.
MAX_LISTED = 4


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


class _Layer(NamedTuple):
    """One page: values (H, W) or colours (H, W, 3), and alpha (H, W) or None."""

    values: NDArray[np.generic]
    alpha: NDArray[np.generic] | None = None
    palette: NDArray[np.uint8] | None = None


def read_mask(path: Path, rule: MaskSettings = _AUTOMATIC, classes: int = 0) -> StoredMask:
    """A mask as the class ids or grey levels that it stores.

    Palette files give the palette index, or the levels of a grey palette: see `palette_values`. 1-bit files give 0 and
    255, other files their values unscaled. Colour files count if their channels are equal. Alpha is dropped, unless it
    alone varies: see `alpha_is_mask`. TIFF files whose 0 is white are read as they look, unless a program for arrays
    wrote them. The mask's own EXIF orientation, if it has one, is applied.

    Args:
        path: a picture, or .npy or .npz with one array.
        rule: the data set's; its `palette`, `alpha`, `pages` and `zero_is_white` say how to read what is ambiguous.
        classes: number of classes; 0 for foreground.

    Raises:
        UserError: the file is unreadable, is a colour picture and not a mask, or has several pages.
    """
    if path.suffix.lower() in NUMPY:
        stored = read_array(path)
        flat = stored.squeeze(0) if stored.ndim == 3 and stored.shape[0] == 1 else stored
        return _finished([_split(flat, False)], 1, (), rule, classes, path)
    with explaining(path):
        if is_tiff(path):
            page = read_tiff(path, every_page=rule.pages == "unite")
            if page.pixels is not None:
                _refuse_pages(page.pages, rule, path)
                return _from_tiff(page, rule, classes, path)
        opened = open_picture(path, every_page=rule.pages == "unite")
    _refuse_pages(opened.pages, rule, path)
    layers = [_layer(picture, opened, path) for picture in opened.pictures]
    return _finished(layers, opened.orientation, (), rule, classes, path)


def _refuse_pages(pages: int, rule: MaskSettings, path: Path) -> None:
    if pages > 1 and rule.pages is None:
        raise UserError(
            f"{path}: a mask of {pages} pages (or frames), expected one. Set `mask: {{pages: unite}}` if each of them"
            " shows a part of the foreground, or `mask: {pages: first}` if only the first is the mask."
        )


def _from_tiff(page: TiffPage, rule: MaskSettings, classes: int, path: Path) -> StoredMask:
    pixels = page.stacked()
    doubts: tuple[str, ...] = ()
    if page.space == "miniswhite":
        pixels, doubts = _zero_is_white(pixels, page, rule)
    samples = pixels.shape[3]  # a fourth one beside RGB is alpha, whether the file says so or not
    has_alpha = (page.has_alpha and samples == 2) or (page.space == "rgb" and samples == 4)
    layers = [_split(values, has_alpha)._replace(palette=page.palette) for values in pixels]
    return _finished(layers, page.orientation, doubts, rule, classes, path)


def _zero_is_white(
    pixels: NDArray[np.generic], page: TiffPage, rule: MaskSettings
) -> tuple[NDArray[np.generic], tuple[str, ...]]:
    """Stored values, or what the file looks like; which is meant is doubtful unless settings or the writer tell."""
    high = 1 if page.bits == 1 else 2**page.bits - 1
    if rule.zero_is_white == "stored" or (rule.zero_is_white is None and page.values_count):
        return pixels, ()
    if rule.zero_is_white is None and not np.isin(distinct_values(pixels), (0, high)).all():
        return pixels, ()  # class ids, not black and white
    inverted = np.logical_not(pixels) if pixels.dtype == bool else np.subtract(high, pixels, dtype=pixels.dtype)
    return inverted, () if rule.zero_is_white else ("zero_is_white",)


def _layer(picture: Image.Image, opened: Opened, path: Path) -> _Layer:
    if opened.wide:
        values = wide_pixels(path, opened.orientation)
        return _split(values, values.shape[2] in (2, 4))
    mode = picture.mode
    if mode in ("P", "PA"):
        index = np.asarray(picture if mode == "P" else picture.getchannel(0), dtype=np.uint8)
        palette = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
        visible = mode == "PA" or "transparency" in picture.info
        return _Layer(index, np.asarray(picture.convert("RGBA"))[..., 3] if visible else None, palette)
    if mode in ("L", "RGB") and "transparency" in picture.info:
        picture = picture.convert("LA" if mode == "L" else "RGBA")
    values = np.asarray(picture)
    if values.ndim == 3 and picture.mode not in ("RGB", "RGBX", "RGBA", "LA"):
        raise UserError(
            f"{path}: a mask in colour mode {picture.mode}, expected one value per pixel. Save it as a greyscale"
            " or palette PNG."
        )
    return _split(values[..., :3] if picture.mode == "RGBX" else values, picture.mode in ("LA", "RGBA"))


def _split(values: NDArray[np.generic], has_alpha: bool) -> _Layer:
    """A page of values (H, W) or (H, W, samples), of which alpha is the last."""
    alpha = values[..., -1] if has_alpha else None
    colours = values[..., :-1] if has_alpha else values
    return _Layer(colours[..., 0] if colours.ndim == 3 and colours.shape[2] == 1 else colours, alpha)


def _finished(
    layers: list[_Layer], orientation: int, doubts: tuple[str, ...], rule: MaskSettings, classes: int, path: Path
) -> StoredMask:
    hint = ""
    pages = []
    for layer in layers:
        values, layer_doubts, layer_hint = _values(layer, rule, classes, path)
        pages.append(_plain(values, rule, path))
        doubts, hint = (*doubts, *layer_doubts), hint or layer_hint
    stacked: NDArray[Any] = pages[0] if len(pages) == 1 else np.stack(pages)
    return StoredMask(stacked, mask_facts(stacked, orientation, tuple(sorted(set(doubts)))), hint)


def _values(layer: _Layer, rule: MaskSettings, classes: int, path: Path) -> tuple[NDArray[np.generic], list[str], str]:
    values = layer.values
    if layer.alpha is not None:
        colours = values
        if layer.palette is not None:
            named = bool(classes or rule.values)  # the settings name indices, so these count
            colours = values if named and rule.alpha is None else _shown(values, layer.palette)
        try:
            if alpha_is_mask(colours, layer.alpha, rule):
                return layer.alpha, [], ""
        except UserError as error:
            if not (layer.palette is not None and (classes or rule.values)):
                raise UserError(f"{path}: {error}") from None
    if layer.palette is not None:
        if len(layer.palette) == 1 and values.any() and (classes > 2 or max(rule.values or (1,)) > 1):
            raise UserError(
                f"{path}: a palette file without colours, which Pillow stores with one bit: class ids above 1 were lost"
                " when it was written. Write it again as greyscale: `Image.fromarray(ids).save(...)`."
            )
        found = palette_values(values.astype(np.uint8, copy=False), layer.palette, rule, classes)
        hint = ""
        if found.levels:
            hint = (
                f" These are indices of a grey palette, with the grey levels {', '.join(map(str, found.levels[:8]))}:"
                " set `mask: {palette: grey}` if those are meant, because a program made a greyscale picture smaller."
            )
        return found.values, ["palette"] if found.doubtful else [], hint
    return _one_channel(values, path), [], ""


def _shown(index: NDArray[np.generic], palette: NDArray[np.uint8]) -> NDArray[np.generic]:
    """Colours of indices; an index without entry keeps its own number, so that it differs from others."""
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    table[: len(palette)] = palette
    return table[index]


def _one_channel(values: NDArray[np.generic], path: Path) -> NDArray[np.generic]:
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[2] != 3:
        raise UserError(
            f"{path}: a mask of shape {values.shape}, expected one value per pixel: (height, width). Save each channel"
            " as a mask of its own, or the class ids as a greyscale PNG."
        )
    red, green, blue = values[:, :, 0], values[:, :, 1], values[:, :, 2]
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        raise UserError(
            f"{path}: a mask whose colour channels differ, {_colours(values)}. A mask holds one value per pixel: "
            "convert the colours to class ids and save them as a greyscale or palette PNG."
        )
    return red


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


def _colours(values: NDArray[np.generic]) -> str:
    different = np.unique(values.reshape(-1, values.shape[2])[:, :3], axis=0)
    named = ", ".join(str(tuple(int(channel) for channel in colour)) for colour in different[:MAX_LISTED])
    return f"colours {named}{' ...' if len(different) > MAX_LISTED else ''}"
