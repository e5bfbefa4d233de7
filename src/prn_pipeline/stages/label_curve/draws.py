"""Which labelled images a refiner learns from at each size, and which of the others it is measured on.

All draws start from one random order of the groups, at evenly spaced places, and go round it: small draws have no image
in common, and large ones leave out different images, as in cross-validation. Within a draw, a larger size adds to the
images of the smaller ones, so that the difference between two sizes is that of the added images alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from prn_pipeline.errors import UserError

#: Groups (images, where none are known) that every draw leaves out at least: of fewer, a single one decides the score.
MIN_HELD_OUT = 4
#: Whole groups may miss a size by less than this share of it.
TOLERANCE = 0.5


@dataclass(frozen=True)
class LabelDraw:
    """One draw of labelled images.

    Attributes:
        size: number of images that was asked for.
        number: of the draw, from 0 on.
        images: number of images drawn.
        groups: number of their groups.
        drawn: rows to learn from, int64, ascending.
        held_out: rows to measure on, int64, ascending.
    """

    size: int
    number: int
    images: int
    groups: int
    drawn: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class LabelDraws:
    """All draws, by size and then number, and why sizes were left out."""

    draws: list[LabelDraw]
    left_out: dict[int, str] = field(default_factory=dict)


def label_draws(manifest: pd.DataFrame, rows: np.ndarray, sizes: Sequence[int], draws: int, seed: int) -> LabelDraws:
    """Draw whole groups of images, as close to each size as they come.

    Frames of a video stay in their order, so that what is left out are stretches and not neighbours of what is drawn.

    Args:
        manifest: one row per map: sample_id, group and, if known, video.
        rows: rows that a refiner may learn from, int64; all maps of an image are among them, or none.
        sizes: numbers of labelled images.
        draws: number of draws per size.
        seed: of the order.

    Raises:
        UserError: there are no rows, or no size leaves enough images.
    """
    if not len(rows):
        raise UserError(
            "no image outside test has a map of a model that was not trained on it, so a refiner cannot learn from any:"
            " give the data set a val split, or list fewer splits in the base model's key `seen`"
        )
    learning = manifest.iloc[rows]
    group_of_row, names = pd.factorize(learning["group"])
    images = learning.groupby(group_of_row)["sample_id"].nunique().to_numpy()
    order = np.arange(len(names))
    if not learning.get("video", pd.Series([False])).any():
        order = np.random.default_rng(seed).permutation(order)
    draws = max(1, min(draws, len(order)))  # more would repeat themselves
    orders = [np.roll(order, -(draw * len(order) // draws)) for draw in range(draws)]
    found: list[LabelDraw] = []
    left_out: dict[int, str] = {}
    taken: list[int] = [0] * draws
    for size in sorted(set(sizes)):
        totals = [images[of_draw].cumsum() for of_draw in orders]
        counts = [int(np.abs(total - size).argmin()) + 1 for total in totals]
        reason = _reason(size, totals, counts, taken)
        if reason is not None:
            left_out[size] = reason
            continue
        taken = counts
        for number, (of_draw, total, count) in enumerate(zip(orders, totals, counts, strict=True)):
            drawn = np.isin(group_of_row, of_draw[:count])
            found.append(LabelDraw(size, number, int(total[count - 1]), count, rows[drawn], rows[~drawn]))
    if not found:
        reasons = "; ".join(f"{size}: {reason}" for size, reason in left_out.items())
        raise UserError(
            f"{int(images.sum())} images in {len(names)} groups are labelled and not test, which is too few for every"
            f" size ({reasons}): give smaller `--sizes`, or label more images"
        )
    return LabelDraws(found, left_out)


def _reason(size: int, totals: list[np.ndarray], counts: list[int], taken: list[int]) -> str | None:
    """Why a size cannot be measured; None if it can.

    Args:
        size: number of images.
        totals: for each draw, images of its first groups, cumulated, int64 (groups,).
        counts: for each draw, the number of groups that comes closest.
        taken: the same of the size before.
    """
    groups, images = len(totals[0]), int(totals[0][-1])
    if size >= images or groups - max(counts) < MIN_HELD_OUT:
        left = max(0, groups - max(counts)) if size < images else 0
        return f"leaves {left} of {groups} groups to measure on, {MIN_HELD_OUT} are needed"
    reached = [int(total[count - 1]) for total, count in zip(totals, counts, strict=True)]
    furthest = max(reached, key=lambda number: abs(number - size))
    if abs(furthest - size) >= TOLERANCE * size and furthest != size:
        return f"whole groups have {furthest} images"
    if any(count <= before for count, before in zip(counts, taken, strict=True)):
        return "whole groups are those of the size before"
    return None
