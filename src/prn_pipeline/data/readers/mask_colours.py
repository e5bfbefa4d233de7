"""Masks that show class ids as colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.errors import UserError

#: Colours in one error message.
MAX_LISTED = 4
#: So many colours that nobody listed come from a lossy format, and not from labels.
_MANY = 50


def ids_of_colours(shown: NDArray[np.generic], colours: Sequence[tuple[int, int, int]]) -> NDArray[np.integer]:
    """The place in `colours` of each pixel's colour.

    Args:
        shown: (H, W, 3) of integers from 0 to 255; more channels are not looked at.
        colours: of the ids 0, 1, 2, ..., all different.

    Returns:
        integers (H, W).

    Raises:
        UserError: a colour is not in the list.
    """
    if shown.dtype.kind not in "iu" or shown.shape[2] < 3 or shown.max() > 255 or shown.min() < 0:
        raise UserError(f"a mask of {shown.dtype} with {shown.shape[2]} channels, expected colours of 8 bits.")
    packed = _packed(shown)
    known = _packed(np.array(colours, dtype=np.int64))
    order = np.argsort(known)
    place = order[np.searchsorted(known, packed, sorter=order).clip(0, len(known) - 1)]
    strange = packed[known[place] != packed]
    if strange.size:
        found, counts = np.unique(strange, return_counts=True)
        first = found[np.argsort(-counts, kind="stable")[:MAX_LISTED]]
        listed = ", ".join(str([int(one) >> shift & 255 for shift in (16, 8, 0)]) for one in first)
        more = ", ..." if len(found) > len(first) else ""
        lossy = " So many come from a lossy format or from resizing: save PNG files." if len(found) > _MANY else ""
        raise UserError(
            f"a mask with {len(found)} colours that `mask.colours` does not list ({listed}{more}). Add them"
            f" there; to ignore their pixels, add their places to `mask.ignore_values`.{lossy}"
        )
    return place.astype(np.uint8) if len(known) <= 256 else place


def _packed(colours: NDArray[np.generic]) -> NDArray[np.int32]:
    red, green, blue = (colours[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue
