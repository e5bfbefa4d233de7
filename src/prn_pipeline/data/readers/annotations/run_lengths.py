"""Run-length codes -> pixels: of COCO (plain and compressed), of CVAT, and of the tables that Kaggle made common."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.errors import UserError

#: Numbers of a compressed code have five bits in each character, from this one on; the sixth bit says that more follow.
_FIRST, _MORE, _SIGN = 48, 0x20, 0x10
#: Characters of one number: a run is shorter than 2^40 pixels.
_LONGEST = 8


def from_runs(runs: NDArray[np.int64], height: int, width: int, by_row: bool = False) -> NDArray[np.bool_]:
    """A mask of runs that are outside and inside by turns, the first one outside.

    Args:
        runs: their lengths in pixels; a run may be empty.
        height: of the mask in pixels.
        width: likewise.
        by_row: pixels follow each other along rows, as in CVAT; otherwise along columns, as in COCO.

    Returns:
        bool (height, width).

    Raises:
        UserError: a length is negative, or the runs do not fill the mask.
    """
    possible = bool(((runs >= 0) & (runs <= height * width)).all())  # so that their sum does not overflow
    if not possible or runs.sum() != height * width:
        found = f"{runs.sum()} pixels" if possible else "impossible lengths"
        raise UserError(
            f"a run-length code of {found}, expected {height * width} pixels for {width} x {height} (width x height)."
            " It is damaged or belongs to another size of the image: export it again."
        )
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return inside.reshape(height, width) if by_row else inside.reshape(width, height).T


def from_starts(pairs: NDArray[np.int64], height: int, width: int, by_row: bool = False) -> NDArray[np.bool_]:
    """A mask of pairs: the first pixel of each run inside, counted from 1, and its length.

    Args:
        pairs: start, length, start, length, ...
        height: see `from_runs`.
        width: see `from_runs`.
        by_row: see `from_runs`.

    Raises:
        UserError: an odd number of values, or a run that is empty or outside the mask.
    """
    if len(pairs) % 2:
        raise UserError(f"a run-length code of {len(pairs)} numbers, expected pairs of start and length.")
    starts, lengths = pairs[::2], pairs[1::2]
    wrong = (starts < 1) | (lengths < 1) | (starts > height * width) | (lengths > height * width - starts + 1)
    if wrong.any():
        raise UserError(
            f"the run '{starts[wrong][0]} {lengths[wrong][0]}' is not within {width} x {height} pixels (width x"
            " height), which are counted from 1. The code belongs to another size of the image: use that image."
        )
    edges = np.zeros(height * width + 1, np.int32)
    np.add.at(edges, starts - 1, 1)
    np.add.at(edges, starts - 1 + lengths, -1)
    inside = np.cumsum(edges[:-1]) > 0
    return inside.reshape(height, width) if by_row else inside.reshape(width, height).T


def decompressed(text: str) -> NDArray[np.int64]:
    """The runs of a compressed code of COCO: numbers in base 32, from the fourth on as differences to the last but one.

    Raises:
        UserError: it is no such code.
    """
    values = np.frombuffer(text.encode(errors="replace"), np.uint8).astype(np.int64) - _FIRST
    if not len(values):
        return values
    ends = np.flatnonzero(~values & _MORE)
    starts = np.append(0, ends + 1)[: len(ends)]
    broken = values.min() < 0 or values.max() > 63 or not len(ends) or ends[-1] != len(values) - 1
    if broken or (ends - starts).max() >= _LONGEST:
        raise UserError("a compressed run-length code that is damaged. Export it again.")
    places = np.arange(len(values)) - np.repeat(starts, ends - starts + 1)
    numbers = np.add.reduceat((values & (_MORE - 1)) << (5 * places), starts)
    numbers -= np.where(values[ends] & _SIGN, np.int64(1) << (5 * (ends - starts + 1)), 0)
    for first in (1, 2):  # the first number stands alone; then odd and even places are summed for themselves
        numbers[first::2] = np.cumsum(numbers[first::2])
    return numbers


def whole_numbers(values: Any) -> NDArray[np.int64]:
    """Whole numbers of a list, or of a text that spaces or commas separate.

    Raises:
        UserError: something else is among them.
    """
    try:
        if isinstance(values, str):
            return np.array(values.replace(",", " ").split(), dtype=str).astype(np.int64)
        found = np.asarray(values)
    except (ValueError, OverflowError):
        found = np.empty((0, 0))
    if found.ndim != 1 or (found.dtype.kind not in "iu" and found.size):
        raise UserError("a run-length code with something else than whole numbers. Export it again.")
    return found.astype(np.int64)
