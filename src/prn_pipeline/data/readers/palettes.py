"""Palette files as masks: the index is the class, or the file is a greyscale picture that was made smaller."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.file_facts import distinct_values


class PaletteValues(NamedTuple):
    """Values of a palette file.

    Attributes:
        values: uint8 (H, W): indices or grey levels.
        doubtful: both readings are possible, and they differ in the foreground.
        levels: grey levels of the used indices if the palette is grey and `values` are indices, else empty.
    """

    values: NDArray[np.uint8]
    doubtful: bool = False
    levels: tuple[int, ...] = ()


def palette_values(
    index: NDArray[np.uint8], palette: NDArray[np.uint8], rule: MaskSettings, classes: int
) -> PaletteValues:
    """The values that a palette file stands for.

    The index is the class, as in PASCAL VOC. But programs that make files smaller store a greyscale picture with a grey
    palette in any order, and then the grey levels are the values. A palette that is not grey, lacks entries, or shows
    two indices in one grey (Pillow's palette of an array without colours) says nothing about values. Otherwise the rule
    tells which reading is meant: a threshold is of grey levels, `values` and classes are found among one of the two.

    Args:
        index: uint8 (H, W).
        palette: uint8 (entries, 3).
        rule: of the data set; its `palette` decides if it is set.
        classes: number of classes; 0 for foreground.
    """
    used = distinct_values(index)
    if rule.palette == "index" or used[-1] >= len(palette) or not (palette == palette[:, :1]).all():
        return PaletteValues(index)
    table = palette[:, 0]
    levels = table[used]
    if np.array_equal(levels, used) or len(np.unique(levels)) < len(used):
        return PaletteValues(index)
    grey, doubtful = _reading(set(used.tolist()), set(levels.tolist()), rule, classes)
    if rule.palette == "grey" or grey:
        differ = bool(((levels == 0) != (used == 0)).any()) if not (classes or rule.values) else doubtful
        return PaletteValues(table[index], rule.palette is None and differ)
    return PaletteValues(index, doubtful, tuple(levels.tolist()))


def _reading(used: set[int], levels: set[int], rule: MaskSettings, classes: int) -> tuple[bool, bool]:
    """Whether grey levels are meant, and whether indices are as likely."""
    if classes:
        known = set(range(classes)) | set(rule.ignore_values)
        return levels <= known, levels <= known and used <= known
    if rule.values is not None:
        wanted = set(rule.values)
        known = wanted | set(rule.ignore_values) | {0}
        if levels <= known:
            return True, used <= known
        in_levels, in_indices = bool(levels & wanted), bool(used & wanted)
        return in_levels and not in_indices, in_levels and in_indices
    return rule.threshold is not None or len(levels - set(rule.ignore_values)) <= 2, False
