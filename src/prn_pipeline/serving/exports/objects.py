"""The objects of a mask: its connected components, class by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

#: Name of the objects of masks without classes.
FOREGROUND = "foreground"
#: Name of a class 0 that is no object.
BACKGROUND = "background"
#: Pixels that touch at a corner belong together, as in thin cracks and vessels.
_NEIGHBOURS = np.ones((3, 3), bool)


class MaskObject(NamedTuple):
    """One object.

    Attributes:
        category: its class, as an index of `categories`.
        top: first row of its bounding box in the mask.
        left: first column.
        pixels: bool (h, w), which pixels of the bounding box belong to it.
    """

    category: int
    top: int
    left: int
    pixels: NDArray[np.bool_]


def categories(classes: Sequence[str]) -> dict[int, str]:
    """Value in a mask -> name of its objects; a class 0 with the name `background` has none."""
    if not classes:
        return {1: FOREGROUND}
    return {number: name for number, name in enumerate(classes) if number or name.lower() != BACKGROUND}


def objects_of(mask: NDArray[np.uint8], classes: Sequence[str]) -> Iterator[MaskObject]:
    """The connected components (8 neighbours) of each category, row by row within a category.

    Args:
        mask: uint8 (H, W): 0 and 1, or class ids.
        classes: names of the classes, by id; empty for foreground.
    """
    for category, value in enumerate(categories(classes)):
        labels, _ = ndimage.label(mask == value, _NEIGHBOURS)
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            yield MaskObject(category, box[0].start, box[1].start, labels[box] == number)
