"""Slices of a test set: parts on which a challenger must not be worse than the champion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

#: Criteria that split a test set into slices, which are compared separately.
By = Literal["image_size", "mask_size", "group"]
SIZES = ("small", "medium", "large")


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


def _thirds(values: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> which values are in that third; empty thirds, which equal values cause, are omitted."""
    if not len(values):
        return {}
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    thirds = (values <= low, (values > low) & (values <= high), values > high)
    return {name: third for name, third in zip(SIZES, thirds, strict=True) if third.any()}
