"""One page of a mask file -> the values that it stands for: of its palette, its alpha channel, or its colours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.mask_colours import ids_of_colours
from prn_pipeline.data.readers.palettes import palette_values
from prn_pipeline.data.readers.transparency import alpha_is_mask
from prn_pipeline.errors import UserError

#: Colours in one error message.
MAX_LISTED = 4


class Layer(NamedTuple):
    """One page: values (H, W) or colours (H, W, 3), alpha (H, W) or None, and the palette (entries, 3) of indices."""

    values: NDArray[np.generic]
    alpha: NDArray[np.generic] | None = None
    palette: NDArray[np.uint8] | None = None


class LayerValues(NamedTuple):
    """The values of a page.

    Attributes:
        values: (H, W), of any type.
        doubts: see `MaskFacts`.
        chosen: see `MaskFacts`.
        hint: more to say in an error about these values; mostly "".
    """

    values: NDArray[np.generic]
    doubts: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    hint: str = ""


def split_layer(values: NDArray[np.generic], has_alpha: bool) -> Layer:
    """A page of values (H, W) or (H, W, samples), of which alpha is the last if `has_alpha`."""
    alpha = values[..., -1] if has_alpha else None
    colours = values[..., :-1] if has_alpha else values
    return Layer(colours[..., 0] if colours.ndim == 3 and colours.shape[2] == 1 else colours, alpha)


def layer_values(layer: Layer, rule: MaskSettings, classes: int) -> LayerValues:
    """The values of a page by the rule of the data set.

    Raises:
        UserError: it is a colour picture and no mask, has a colour that the rule does not list, or does not tell
            whether colours or alpha are the mask.
    """
    if rule.colours is not None:
        return LayerValues(ids_of_colours(_rgb(layer), rule.colours))
    if layer.alpha is not None and _alpha_counts(layer, layer.alpha, rule, classes):
        return LayerValues(layer.alpha, chosen=() if rule.alpha else ("alpha: mask",))
    found = LayerValues(_one_channel(layer.values)) if layer.palette is None else _of_palette(layer, rule, classes)
    if layer.alpha is not None and rule.alpha is None and _tells_nothing(found.values, layer.alpha):
        return found._replace(doubts=(*found.doubts, "alpha: ignore"))
    return found


def _rgb(layer: Layer) -> NDArray[np.generic]:
    """The colours that a page shows: (H, W, 3)."""
    if layer.palette is not None:
        return _shown(layer.values, layer.palette)
    if layer.values.ndim == 3:
        return layer.values
    grey = layer.values.astype(np.uint8) * np.uint8(255) if layer.values.dtype == bool else layer.values
    return np.repeat(grey[..., None], 3, axis=2)


def _alpha_counts(layer: Layer, alpha: NDArray[np.generic], rule: MaskSettings, classes: int) -> bool:
    named = layer.palette is not None and bool(classes or rule.values)  # the settings name indices, so these count
    colours = layer.values
    if layer.palette is not None and not (named and rule.alpha is None):
        colours = _shown(layer.values, layer.palette)
    try:
        return alpha_is_mask(colours, alpha, rule)
    except UserError:
        if named:
            return False
        raise


def _tells_nothing(values: NDArray[np.generic], alpha: NDArray[np.generic]) -> bool:
    """Whether neither varies, and one says foreground where the other says background."""
    first, visible = values.flat[0], alpha.flat[0]
    return bool((values == first).all() and (alpha == visible).all() and bool(first) != bool(visible))


def _of_palette(layer: Layer, rule: MaskSettings, classes: int) -> LayerValues:
    assert layer.palette is not None
    if len(layer.palette) == 1 and layer.values.any() and (classes > 2 or max(rule.values or (1,)) > 1):
        raise UserError(
            "a palette file without colours, which Pillow stores with one bit: class ids above 1 were lost when it was"
            " written. Write it again as greyscale: `Image.fromarray(ids).save(...)`."
        )
    found = palette_values(layer.values.astype(np.uint8, copy=False), layer.palette, rule, classes)
    hint = ""
    if found.levels:
        hint = (
            f" These are indices of a grey palette, with the grey levels {', '.join(map(str, found.levels[:8]))}: set"
            " `mask: {palette: grey}` if those are meant, because a program made a greyscale picture smaller."
        )
    reading = "palette: index" if found.levels else "palette: grey"
    return LayerValues(found.values, (reading,) if found.doubtful else (), hint=hint)


def _shown(index: NDArray[np.generic], palette: NDArray[np.uint8]) -> NDArray[np.generic]:
    """Colours of indices; an index without entry keeps its own number, so that it differs from others."""
    table = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    table[: len(palette)] = palette
    return table[index]


def _one_channel(values: NDArray[np.generic]) -> NDArray[np.generic]:
    if values.ndim == 2:
        return values
    if values.ndim != 3 or values.shape[2] != 3:
        raise UserError(
            f"a mask of shape {values.shape}, expected one value per pixel: (height, width). Save each channel as a"
            " mask of its own, or the class ids as a greyscale PNG."
        )
    red, green, blue = values[:, :, 0], values[:, :, 1], values[:, :, 2]
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        raise UserError(
            f"a mask whose colour channels differ, {_colours(values)}. A mask holds one value per pixel: convert the"
            " colours to class ids and save them as a greyscale or palette PNG, or list the colours of the ids 0, 1, 2,"
            " ... in `mask: {colours: [[0, 0, 0], ...]}`."
        )
    return red


def _colours(values: NDArray[np.generic]) -> str:
    different = np.unique(values.reshape(-1, values.shape[2])[:, :3], axis=0)
    named = ", ".join(str(tuple(int(channel) for channel in colour)) for colour in different[:MAX_LISTED])
    return f"colours {named}{' ...' if len(different) > MAX_LISTED else ''}"
