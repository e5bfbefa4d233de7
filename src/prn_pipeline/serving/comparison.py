"""Whether a challenger may take a champion's place: better on the whole by more than chance, and worse nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.metrics.bootstrap import paired_gain
from prn_pipeline.metrics.scores import mean_iou

#: Parts of a test set that are looked at on their own.
By = Literal["image_size", "mask_size", "group"]
SIZES = ("small", "medium", "large")


class ComparisonSettings(BaseModel):
    """When a challenger is promoted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    margin: float = Field(ge=0, description="the lower end of the gain's interval must be above it; a share of 1")
    smallest_test: int = Field(ge=2, description="images to compare on; by fewer nobody is promoted")
    slices: tuple[By, ...] = Field(description="parts of the test set that are guarded; classes always are")
    smallest_slice: int = Field(ge=2, description="images; smaller slices say nothing")
    slice_tolerance: float = Field(ge=0, description="a slice may lose so much iou_micro, unless it surely loses")
    resamples: int = Field(ge=100, description="of the bootstrap over images")


def slices(manifest: pd.DataFrame, by: Sequence[By], smallest: int) -> dict[tuple[str, str], np.ndarray]:
    """(kind, name) -> which images are in the slice, bool (n,).

    Sizes are thirds of the test set: of images by their pixels, of masks by their share of foreground, those without
    any on their own. Groups are the data set's. A slice that is all of the images is none.
    """
    found: dict[tuple[str, str], np.ndarray] = {}
    if "image_size" in by:
        pixels = (manifest["native_height"] * manifest["native_width"]).to_numpy()
        found |= {("image_size", name): chosen for name, chosen in _thirds(pixels).items()}
    if "mask_size" in by:
        share = manifest["foreground"].to_numpy()
        found["mask_size", "empty"] = share == 0
        thirds = _thirds(share[share > 0])
        for name, chosen in thirds.items():
            found["mask_size", name] = np.zeros(len(share), bool)
            found["mask_size", name][share > 0] = chosen
    if "group" in by:
        found |= {("group", str(name)): (manifest["group"] == name).to_numpy() for name in manifest["group"].unique()}
    return {key: chosen for key, chosen in found.items() if smallest <= chosen.sum() < len(manifest)}


def compare(
    challenger: np.ndarray,
    champion: np.ndarray,
    manifest: pd.DataFrame,
    classes: Sequence[str],
    settings: ComparisonSettings,
) -> dict[str, Any]:
    """Both on the same images.

    Args:
        challenger: counts int64 (n, C, 6).
        champion: counts int64 (n, C, 6).
        manifest: of the images, see `slices`.
        classes: names of the C classes; empty for foreground.
        settings: when the challenger is promoted.

    Returns:
        `promoted`, and `why`; `iou_micro` of both, `gain`, and `slices`, a list of {by, slice, images, gain, worse}.
    """
    overall = paired_gain(challenger, champion, settings.resamples, seed=0)
    parts = [
        {"by": by, "slice": name, "images": int(chosen.sum())} | _judged(challenger[chosen], champion[chosen], settings)
        for (by, name), chosen in slices(manifest, settings.slices, settings.smallest_slice).items()
    ]
    for number, name in enumerate(classes):
        there = challenger[:, number, [0, 2]].sum(1) > 0
        if there.sum() >= settings.smallest_slice:
            one = slice(number, number + 1)
            judged = _judged(challenger[there, one], champion[there, one], settings)
            parts.append({"by": "class", "slice": name, "images": int(there.sum())} | judged)
    worse = [part for part in parts if part["worse"]]
    enough = len(challenger) >= settings.smallest_test  # the interval of a handful of images is none
    surely = enough and overall["ci95"][0] > settings.margin
    return {
        "promoted": surely and not worse,
        "why": _why(len(challenger), overall, worse, settings),
        "images": len(challenger),
        "iou_micro": {
            "challenger": float(mean_iou(challenger.sum(0))),
            "champion": float(mean_iou(champion.sum(0))),
        },
        "gain": overall,
        "slices": parts,
    }


def _judged(challenger: np.ndarray, champion: np.ndarray, settings: ComparisonSettings) -> dict[str, Any]:
    gain = paired_gain(challenger, champion, settings.resamples, seed=0)
    return {"gain": gain, "worse": gain["ci95"][1] < 0 or gain["iou_micro"] < -settings.slice_tolerance}


def _why(
    images: int, overall: Mapping[str, Any], worse: Sequence[Mapping[str, Any]], settings: ComparisonSettings
) -> str:
    low, high = (100 * end for end in overall["ci95"])
    said = f"{100 * overall['iou_micro']:+.2f} points of iou_micro [{low:+.2f}, {high:+.2f}]"
    if images < settings.smallest_test:
        return f"{said} on {images} test images that neither has learned from: {settings.smallest_test} are needed"
    if overall["ci95"][0] <= settings.margin:
        return f"{said}: the lower end is not above the margin of {100 * settings.margin:g}"
    if worse:
        named = ", ".join(f"{p['by']} {p['slice']} {100 * p['gain']['iou_micro']:+.2f}" for p in worse)
        return f"{said}, but worse in {named}"
    return f"{said}, and no slice worse"


def _thirds(values: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> which values are in that third; fewer where values are equal."""
    if not len(values):
        return {}
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    parts = (values <= low, (values > low) & (values <= high), values > high)
    return {name: part for name, part in zip(SIZES, parts, strict=True) if part.any()}
