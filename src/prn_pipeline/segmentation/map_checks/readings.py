"""Other readings of maps, and how well they fit the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from prn_pipeline.data.readers.map_geometry import turned
from prn_pipeline.data.readers.map_reading import Orientation
from prn_pipeline.segmentation.map_checks.fit import Fit, Truth, fits

#: Movements that stop a run, in percent of the side: less may be rounding, such as half a stride, more is chance.
LEAST_MOVED, MOST_MOVED = 2, 30


class Reading(NamedTuple):
    """One reading of maps.

    Attributes:
        words: completes "read ...".
        setting: what to set for it; None if no setting does it.
        iou: the mean over classes of the IoU at the best threshold of each.
        by_image: the same of each image, float64 (n,); NaN for images without foreground, true or predicted.
        remedy: what to do where no setting does it.
        maps: the maps in this reading, logits (n, C, s, s); None for channels in another order.
    """

    words: str
    setting: str | None
    iou: float
    by_image: NDArray[np.float64]
    remedy: str = "Correct the model or its settings"
    maps: NDArray[np.float32] | None = None


#: Orientations in words.
TURNED = {
    "upright": "as they are stored, upright",
    "transposed": "with rows and columns exchanged",
    "left_right": "flipped left to right",
    "top_bottom": "flipped top to bottom",
    "rotated_90": "turned back by 90 degrees",
    "rotated_180": "turned back by 180 degrees",
    "rotated_270": "turned back by 270 degrees",
    "antitransposed": "with rows and columns exchanged and turned by 180 degrees",
}
#: What undoes an orientation that does not undo itself.
OPPOSITE: dict[Orientation, Orientation] = {"rotated_90": "rotated_270", "rotated_270": "rotated_90"}


def as_stated(maps: NDArray[np.float32], truths: Sequence[Truth]) -> Reading:
    """The maps as they are.

    Args:
        maps: logits (n, C, s, s).
        truths: of the same images, one per class.
    """
    found = [fits(maps[:, one], truth)[0] for one, truth in enumerate(truths)]
    return _reading("as they are", None, found, truths)._replace(maps=maps)


def inverted(maps: NDArray[np.float32], truth: Truth, setting: str | None) -> Reading:
    """Maps (n, 1, s, s) of the background."""
    words = "as 1 - p, the probability of background"
    return _reading(words, setting, [fits(maps[:, 0], truth)[1]], [truth])._replace(maps=-maps)


def otherwise_turned(
    maps: NDArray[np.float32], truths: Sequence[Truth], key: str | None, stated: Orientation = "upright"
) -> Iterator[Reading]:
    """Maps (n, C, s, s), turned as `stated` says, in each other orientation."""
    stored = turned(maps, OPPOSITE.get(stated, stated))
    for orientation in get_args(Orientation):
        if orientation != stated:
            reading = as_stated(turned(stored, orientation), truths)
            yield reading._replace(words=TURNED[orientation], setting=key and f"`{key}: {orientation}`")


def moved(maps: NDArray[np.float32], truths: Sequence[Truth]) -> Iterator[tuple[Reading, bool]]:
    """Maps (n, 1, s, s) moved by what fits best, the same for all; none if that is nothing.

    As much is predicted as is true: where maps are moved, the best threshold often calls everything foreground.

    Args:
        maps: logits of foreground.
        truths: one, of the same images.

    Yields:
        The reading, and whether the maps are moved too far for rounding.
    """
    side = maps.shape[-1]
    threshold = np.quantile(maps, 1 - truths[0].foreground.mean())
    predicted = np.fft.rfft2((maps[:, 0] >= threshold).astype(np.float32))
    true = np.fft.rfft2(truths[0].foreground - truths[0].foreground.mean((1, 2), keepdims=True))
    overlap = np.fft.irfft2((true * predicted.conj()).sum(0), (side, side))
    offset = np.array(np.unravel_index(int(overlap.argmax()), overlap.shape))
    offset = np.where(offset > side // 2, offset - side, offset)
    share = 100 * offset / side
    largest = np.rint(np.abs(share).max())
    if not offset.any() or largest > MOST_MOVED:
        return
    shifted = np.full_like(maps, maps.min())
    to, of = zip(*((_part(side, step), _part(side, -step)) for step in offset), strict=True)
    shifted[..., to[0], to[1]] = maps[..., of[0], of[1]]
    directions = zip(share, (("down", "up"), ("to the right", "to the left")), strict=True)
    words = " and ".join(
        f"{abs(step):.{int(abs(step) < 1)}f} % {names[int(step < 0)]}" for step, names in directions if step
    )
    reading = as_stated(shifted, truths)._replace(
        words=f"moved by {words}",
        remedy="Correct how the program crops, pads or enlarges images and maps",
    )
    yield reading, bool(largest >= LEAST_MOVED)


def _part(side: int, step: int) -> slice:
    """Where a side is after (or, with -step, before) it was moved."""
    return slice(max(step, 0), side + min(step, 0))


def other_classes(maps: NDArray[np.float32], truths: Sequence[Truth]) -> Reading:
    """The channels (n, C, s, s) in the order that fits the classes best."""
    found = [[fits(maps[:, channel], truth)[0] for channel in range(maps.shape[1])] for truth in truths]
    ious = np.array([[fit.iou for fit in row] for row in found])
    present = np.array([truth.foreground.any() for truth in truths])
    channels = linear_sum_assignment(np.where(present[:, None], ious, np.eye(len(ious)) * 1e-3), maximize=True)[1]
    chosen = [found[one][channel] for one, channel in enumerate(channels)]
    setting = f"`class_channels: {channels.tolist()}`"
    return _reading(f"with the channels {channels.tolist()} for the classes", setting, chosen, truths)


def _reading(words: str, setting: str | None, found: Sequence[Fit], truths: Sequence[Truth]) -> Reading:
    """The mean over the classes that have foreground."""
    kept = [fit for fit, truth in zip(found, truths, strict=True) if truth.foreground.any()]
    if not kept:
        return Reading(words, setting, float("nan"), np.full(len(found[0].by_image), np.nan))
    by_image = np.stack([fit.by_image for fit in kept])
    count = np.isfinite(by_image).sum(0)
    means = np.divide(np.nansum(by_image, 0), count, where=count > 0, out=np.full(by_image.shape[1], np.nan))
    return Reading(words, setting, float(np.mean([fit.iou for fit in kept])), means)
