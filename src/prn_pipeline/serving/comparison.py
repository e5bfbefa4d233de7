"""Decides whether a challenger replaces the champion: significantly better overall, and worse on no slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from prn_pipeline.metrics.bootstrap import paired_gain
from prn_pipeline.metrics.scores import mean_iou

#: Criteria that split a test set into slices, which are compared separately.
By = Literal["image_size", "mask_size", "group"]
SIZES = ("small", "medium", "large")


class ComparisonSettings(BaseModel):
    """Conditions for the promotion of a challenger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    margin: float = Field(ge=0, description="the lower bound of the gain's interval must exceed it; in iou_micro, 0..1")
    smallest_test: int = Field(ge=2, description="smallest number of test images on which a challenger is promoted")
    slices: tuple[By, ...] = Field(description="criteria of slices that must not get worse; classes are always checked")
    smallest_slice: int = Field(ge=2, description="smallest number of images of a slice; smaller ones are ignored")
    slice_tolerance: float = Field(ge=0, description="loss of iou_micro that a slice may have if it is not significant")
    resamples: int = Field(ge=100, description="resamples of the bootstrap over images")


def slices(manifest: pd.DataFrame, by: Sequence[By], smallest: int) -> dict[tuple[str, str], np.ndarray]:
    """(criterion, name) -> which images are in the slice, bool (n,).

    Sizes are thirds of the test set: image sizes by the number of pixels, mask sizes by the share of foreground, with
    a separate slice for empty masks. Groups are those of the data set. Slices with fewer than `smallest` images, or
    with all images, are omitted.
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
    """Compare challenger and champion on the same images.

    Args:
        challenger: counts int64 (n, C, 6).
        champion: counts int64 (n, C, 6).
        manifest: manifest of the images; see `slices`.
        classes: names of the C classes; empty for foreground.
        settings: conditions for promotion.

    Returns:
        `promoted` and `why`; `images`; `iou_micro` of both, `gain`, and `slices`, a list of {by, slice, images, gain,
        worse}.
    """
    overall = paired_gain(challenger, champion, settings.resamples, seed=0)
    compared = [
        {"by": by, "slice": name, "images": int(chosen.sum())}
        | _slice_gain(challenger[chosen], champion[chosen], settings)
        for (by, name), chosen in slices(manifest, settings.slices, settings.smallest_slice).items()
    ]
    for number, name in enumerate(classes):
        present = challenger[:, number, [0, 2]].sum(1) > 0
        if present.sum() >= settings.smallest_slice:
            column = slice(number, number + 1)
            gain = _slice_gain(challenger[present, column], champion[present, column], settings)
            compared.append({"by": "class", "slice": name, "images": int(present.sum())} | gain)
    worse = [entry for entry in compared if entry["worse"]]
    enough = len(challenger) >= settings.smallest_test  # the bootstrap interval of a few images is not reliable
    significant = enough and overall["ci95"][0] > settings.margin
    return {
        "promoted": significant and not worse,
        "why": _why(len(challenger), overall, worse, settings),
        "images": len(challenger),
        "iou_micro": {
            "challenger": float(mean_iou(challenger.sum(0))),
            "champion": float(mean_iou(champion.sum(0))),
        },
        "gain": overall,
        "slices": compared,
    }


def _slice_gain(challenger: np.ndarray, champion: np.ndarray, settings: ComparisonSettings) -> dict[str, Any]:
    gain = paired_gain(challenger, champion, settings.resamples, seed=0)
    return {"gain": gain, "worse": gain["ci95"][1] < 0 or gain["iou_micro"] < -settings.slice_tolerance}


def _why(
    images: int, overall: Mapping[str, Any], worse: Sequence[Mapping[str, Any]], settings: ComparisonSettings
) -> str:
    low, high = (100 * bound for bound in overall["ci95"])
    gain = f"{100 * overall['iou_micro']:+.2f} points of iou_micro [{low:+.2f}, {high:+.2f}]"
    if images < settings.smallest_test:
        return f"{gain} on {images} test images that neither has learned from: {settings.smallest_test} are needed"
    if overall["ci95"][0] <= settings.margin:
        return f"{gain}: the lower bound is not above the margin of {100 * settings.margin:g}"
    if worse:
        listed = ", ".join(f"{s['by']} {s['slice']} {100 * s['gain']['iou_micro']:+.2f}" for s in worse)
        return f"{gain}, but worse in {listed}"
    return f"{gain}, and no slice is worse"


def _thirds(values: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> which values are in that third; empty thirds, which equal values cause, are omitted."""
    if not len(values):
        return {}
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    thirds = (values <= low, (values > low) & (values <= high), values > high)
    return {name: third for name, third in zip(SIZES, thirds, strict=True) if third.any()}
