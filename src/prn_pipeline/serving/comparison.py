"""Decides whether a challenger replaces the champion: significantly better overall, and worse on no slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prn_pipeline.metrics.bootstrap import LEVEL, independent
from prn_pipeline.metrics.paired_units import by_unit, lower_bound, margin_of_error, unit_gain
from prn_pipeline.metrics.scores import mean_iou
from prn_pipeline.serving.looks import alpha_of
from prn_pipeline.serving.promotion_settings import ComparisonSettings
from prn_pipeline.serving.slices import is_worse, slices, unusual_losses


class Units:
    """The independent units of a test set: groups of images, or images that have no groups.

    Args:
        manifest: of the images; `group` has the group of each image, and `video`, if there, says that they look like
            frames of videos whose groups are unknown.
    """

    def __init__(self, manifest: pd.DataFrame) -> None:
        self.of_image = manifest["group"].to_numpy()
        self.number = independent(len(manifest), self.of_image)[0]
        self.kind = "image" if self.number == len(manifest) else "group"
        self.unknown = bool(manifest["video"].any()) if "video" in manifest else False

    def why_not(self, images: int, settings: ComparisonSettings) -> str | None:
        """Why these units cannot decide anything; None if they can."""
        if self.unknown and not settings.frames_are_units:
            return (
                "the test images look like frames of videos, but their groups are unknown: set `split.group` of the"
                " data set, or `promotion.comparison.frames_are_units: true` if they are not frames"
            )
        return self.too_few(images, settings.smallest_test, "neither has learned from")

    def too_few(self, images: int, smallest: int, which: str) -> str | None:
        """That there are fewer units than `smallest`, with `which` they are; None if there are enough."""
        if self.number >= smallest:
            return None
        of = f"{self.number} groups ({images} images)" if self.kind == "group" else f"{images} images"
        return f"{of} that {which} are left of the test set: {smallest} are needed"


def compare(
    challenger: np.ndarray,
    champion: np.ndarray,
    manifest: pd.DataFrame,
    classes: Sequence[str],
    settings: ComparisonSettings,
    look: int | None = 1,
) -> dict[str, Any]:
    """Compare challenger and champion on the same images.

    The challenger is better if two tests over independent units say so, each at the error probability of this look:
    the lower bound of the gain is above the margin, and the sign-flip test rejects that the two are equally good.

    Args:
        challenger: counts int64 (n, C, 6).
        champion: counts int64 (n, C, 6).
        manifest: manifest of the images; see `slices` and `Units`.
        classes: names of the C classes; empty for foreground.
        settings: conditions for promotion.
        look: number of this comparison among those with the same champion, 1 for the first; None
            if the units cannot decide anything.

    Returns:
        `promoted` and `why`; `images`; `units` and `unit` ("group" or "image"); `look`, its error probability `alpha`,
        and `margin`; `iou_micro` of both, `gain` with its 95 % interval and one-sided p, `lower_bound` (one-sided, at
        `alpha`), and `slices`, a list of {by, slice, images, gain, worse}.
    """
    units, alpha = Units(manifest), alpha_of(look or 1, settings.level)
    pair = by_unit(challenger, units.of_image), by_unit(champion, units.of_image)
    gain, lowest = unit_gain(*pair), lower_bound(*pair, alpha)
    compared = _slices(challenger, champion, manifest, classes, settings)
    worse = [entry for entry in compared if entry["worse"]]
    found = {
        "images": len(challenger),
        "units": units.number,
        "unit": units.kind,
        "look": look,
        "alpha": alpha if look else None,
        "margin": settings.margin,
        "iou_micro": {
            "challenger": float(mean_iou(challenger.sum(0))),
            "champion": float(mean_iou(champion.sum(0))),
        },
        "gain": gain,
        "lower_bound": lowest,
        "slices": compared,
    }
    undecided = units.why_not(len(challenger), settings)
    if look is None and undecided is None:
        raise ValueError("a comparison that can promote needs its number")
    significant = lowest > settings.margin and gain["p"] <= alpha
    return {
        "promoted": undecided is None and significant and not worse,
        "why": _why(found, undecided, significant, worse),
    } | found


def _slices(
    challenger: np.ndarray,
    champion: np.ndarray,
    manifest: pd.DataFrame,
    classes: Sequence[str],
    settings: ComparisonSettings,
) -> list[dict[str, Any]]:
    groups = Units(manifest).of_image
    everything = slice(None)
    chosen = [
        (by, name, images, everything)
        for (by, name), images in slices(manifest, settings.slices, settings.smallest_slice).items()
    ]
    for number, name in enumerate(classes):
        present = challenger[:, number, [0, 2]].sum(1) > 0
        if present.sum() >= settings.smallest_slice:
            chosen.append(("class", name, present, slice(number, number + 1)))
    compared = []
    for by, name, images, columns in chosen:
        units = None if by == "group" else groups[images]  # what is asked of one group is asked of its images
        pair = by_unit(challenger[images, columns], units), by_unit(champion[images, columns], units)
        entry: dict[str, Any] = {"by": by, "slice": name, "images": int(images.sum()), "gain": unit_gain(*pair)}
        highest = entry["gain"]["iou_micro"] + margin_of_error(*pair, (1 - LEVEL) / 2 / len(chosen))
        compared.append(entry | {"worse": is_worse(entry["gain"]["iou_micro"], highest, settings.slice_tolerance)})
    of_groups = [entry for entry in compared if entry["by"] == "group"]
    unusual = unusual_losses(np.array([entry["gain"]["iou_micro"] for entry in of_groups]))
    for entry, beyond_luck in zip(of_groups, unusual, strict=True):
        entry["worse"] = bool(entry["worse"] and beyond_luck)
    return compared


def _why(found: Mapping[str, Any], undecided: str | None, significant: bool, worse: Sequence[Mapping[str, Any]]) -> str:
    low, high = (100 * bound for bound in found["gain"]["ci95"])
    gain = f"{100 * found['gain']['iou_micro']:+.2f} points of iou_micro [{low:+.2f}, {high:+.2f}]"
    if undecided is not None:
        return f"{gain}, but {undecided}"
    images = f" ({found['images']} images)" if found["unit"] == "group" else ""
    gain += (
        f" over {found['units']} {found['unit']}s{images}; comparison {found['look']} with this champion, at an error"
        f" probability of {found['alpha']:.2g}: lower bound {100 * found['lower_bound']:+.2f}, p"
        f" {found['gain']['p']:.2g}"
    )
    if not significant and found["lower_bound"] <= found["margin"]:
        return f"{gain}: the lower bound is not above the margin of {100 * found['margin']:g}"
    if not significant:
        return f"{gain}: not significant"
    if worse:
        listed = ", ".join(f"{s['by']} {s['slice']} {100 * s['gain']['iou_micro']:+.2f}" for s in worse)
        return f"{gain}, but worse in {listed}"
    return f"{gain}, and no slice is worse"
