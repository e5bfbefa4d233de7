"""What the files of a sample hold, before their values are scaled or turned into classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import Pixels

#: Share of an image's pixels that may be dead or overexposed.
RARE = 0.001
#: Distinct values of a mask that are kept: more than any rule lists, and a soft mask has 256.
MAX_VALUES = 256


@dataclass(frozen=True)
class ImageFacts:
    """An image file.

    Attributes:
        kind: its pixels in words, such as "8-bit RGB" or "16-bit grey".
        low: lowest stored value.
        high: highest stored value.
        orientation: EXIF orientation, 1 to 8; 1 is upright. Decoded images are upright.
        wide: values of more than 8 bits, which need the data set's scale.
        usual: range of the values without the extreme 0.1 % at either end; None for values of 8 bits.
        band_left_out: the file holds a fourth band, which is not read.
    """

    kind: str
    low: float
    high: float
    orientation: int = 1
    wide: bool = False
    usual: tuple[int, int] | None = None
    band_left_out: bool = False


@dataclass(frozen=True)
class MaskFacts:
    """A mask file.

    Attributes:
        values: distinct values as stored, ascending; of more than MAX_VALUES, the lowest and the highest.
        orientation: EXIF orientation, 1 to 8; 1 is upright. Decoded masks are upright.
        doubts: what could be read in two ways, and how it was: "palette: grey" for the setting `mask.palette`.
        chosen: the same where the content of this file decides, although other files may need the other value.
    """

    values: tuple[float, ...]
    orientation: int = 1
    doubts: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()


class ReadSample(NamedTuple):
    """A decoded sample, and what its files hold.

    Attributes:
        image: as `Reader.image` returns it.
        mask: as `Reader.mask` returns it.
        image_facts: of the image file.
        mask_facts: of the mask file.
    """

    image: Pixels
    mask: NDArray[np.uint8]
    image_facts: ImageFacts
    mask_facts: MaskFacts


def distinct_values(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """The distinct values of a non-empty array, ascending."""
    low, high = values.min(), values.max()
    if np.count_nonzero(values == low) + (low != high) * np.count_nonzero(values == high) == values.size:
        return np.unique(np.array([low, high]))  # a binary mask, without a pass over all values
    if values.dtype != np.uint8:
        return np.unique(values)
    present = np.zeros(256, bool)
    present[values.ravel()] = True
    return np.flatnonzero(present)


def mask_facts(
    values: NDArray[np.generic], orientation: int = 1, doubts: Iterable[str] = (), chosen: Iterable[str] = ()
) -> MaskFacts:
    """Facts of a mask with these stored values, of any shape."""
    kept = _kept(distinct_values(values).tolist())
    return MaskFacts(kept, orientation, tuple(sorted(set(doubts))), tuple(sorted(set(chosen))))


def united_facts(masks: Sequence[MaskFacts]) -> MaskFacts:
    """Facts of the mask files of one image together; the orientation is that of the first that is turned."""
    values = sorted({value for mask in masks for value in mask.values})
    turned = [mask.orientation for mask in masks if mask.orientation != 1]
    doubts, chosen = ({one for mask in masks for one in getattr(mask, kind)} for kind in ("doubts", "chosen"))
    return MaskFacts(_kept(values), turned[0] if turned else 1, tuple(sorted(doubts)), tuple(sorted(chosen)))


def _kept(found: list[float]) -> tuple[float, ...]:
    return tuple(found if len(found) <= MAX_VALUES else [*found[: MAX_VALUES - 1], found[-1]])


def image_facts(
    image: Pixels, kind: str, orientation: int = 1, wide: bool = False, band_left_out: bool = False
) -> ImageFacts:
    """Facts of an image with these stored values."""
    usual = _usual(image) if image.dtype != np.uint8 else None
    return ImageFacts(kind, float(image.min()), float(image.max()), orientation, wide, usual, band_left_out)


def _usual(wide: Pixels) -> tuple[int, int]:
    counted = np.bincount(wide.ravel(), minlength=1).cumsum()
    low, high = np.searchsorted(counted, [RARE * counted[-1], (1 - RARE) * counted[-1]])
    return int(low), int(high)
