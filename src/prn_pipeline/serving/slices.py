"""Slices of a test set: parts on which a challenger must not be worse than the champion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from prn_pipeline.metrics.bootstrap import LEVEL
from prn_pipeline.serving.promotion_settings import By

SIZES = ("small", "medium", "large")
#: Least number of other groups whose gains show how much groups differ by luck.
MIN_OTHERS = 3


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


def is_worse(gain: float, highest: float, tolerance: float) -> bool:
    """Whether a slice gets worse: its loss is significant, or larger than what it may lose by chance.

    Args:
        gain: in iou_micro on the slice.
        highest: upper bound of the gain, at a level that the slices share.
        tolerance: loss that a slice may have.
    """
    return highest < 0 or gain < -tolerance


def unusual_losses(gains: np.ndarray) -> np.ndarray:
    """Which groups lose more than groups differ by luck: gains (groups,) -> bool (groups,).

    Two models that are equally good differ on every single video or site, and of many groups some lose a lot while the
    model gets better. A loss is unusual if luck gives it to any of so many groups with a probability below 5 %, by the
    spread of the other groups. Fewer than `MIN_OTHERS` others have no spread: every loss is unusual.
    """
    found = np.ones(len(gains), bool)
    for number, gain in enumerate(gains):
        others = np.delete(gains, number)
        if len(others) >= MIN_OTHERS:
            spread = others.std(ddof=1) * np.sqrt(1 + 1 / len(others))
            found[number] = gain < -student.isf((1 - LEVEL) / len(gains), len(others) - 1) * spread
    return found


def _thirds(values: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> which values are in that third; empty thirds, which equal values cause, are omitted."""
    if not len(values):
        return {}
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    thirds = (values <= low, (values > low) & (values <= high), values > high)
    return {name: third for name, third in zip(SIZES, thirds, strict=True) if third.any()}
