"""The images whose maps are compared with the truth, and their masks, at a reduced size."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.map_checks.fit import LARGEST_LOGIT, Truth

#: Largest side in pixels at which maps and masks are compared: enough for vessels and cracks.
LARGEST_SIDE = 256
#: The same for maps of several classes, which are compared with each other class too.
LARGEST_SIDE_OF_CLASSES = 96


def compared_rows(manifest: pd.DataFrame, maps: pd.DataFrame, most: int) -> NDArray[np.int64]:
    """Images with a map and with foreground, evenly spread; of split test only if there are no others.

    Args:
        manifest: one row per image.
        maps: manifest of the maps, with the same number of rows per image.
        most: number of images.

    Returns:
        Rows of `manifest`, ascending; none if no mask has foreground.
    """
    per_image = len(maps) // len(manifest)
    usable = (maps["model"].to_numpy()[::per_image] != NO_MAP) & _has_foreground(manifest)
    outside_test = usable & (manifest["split"] != "test").to_numpy()
    rows = np.flatnonzero(outside_test if outside_test.any() else usable)
    return (
        rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int))] if len(rows) else rows
    )


def reduced_truth(samples: Samples, rows: NDArray[np.int64], classes: int) -> list[Truth]:
    """The true masks of images, one `Truth` per class, or of foreground; up to `LARGEST_SIDE` a side, no padding."""
    masks = np.concatenate([part for (part,) in samples.batches(["masks"], rows)])
    side = min(LARGEST_SIDE_OF_CLASSES if classes > 1 else LARGEST_SIDE, masks.shape[-1])
    valid = _shares(masks != IGNORE, samples, rows, side)
    ids = range(classes) if classes > 1 else [1]
    return [Truth(_shares(masks == one, samples, rows, side), valid) for one in ids]


def reduced_maps(
    logits: NDArray[np.float32], samples: Samples, rows: NDArray[np.int64], side: int
) -> NDArray[np.float32]:
    """Logits (n, C, H, W) of samples at (n, C, side, side), without padding; see `reduced_map`."""
    return np.concatenate(
        [
            np.stack([reduced_map(one if region is None else region.of(one), side) for one in logits[alike]])
            for alike, region in samples.regions(rows)
        ]
    )


def _shares(chosen: NDArray[np.bool_], samples: Samples, rows: NDArray[np.int64], side: int) -> NDArray[np.float32]:
    """`shares` of samples without their padding."""
    parts = samples.regions(rows)
    return np.concatenate(
        [shares(chosen[alike] if region is None else region.of(chosen[alike]), side) for alike, region in parts]
    )


def shares(chosen: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    """Share of each pixel (n, side, side) that is chosen, from (n, H, W)."""
    return F.interpolate(torch.from_numpy(chosen)[:, None].float(), (side, side), mode="area")[:, 0].numpy()


def reduced_map(logits: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Logits (..., h, w) of one image at (..., side, side), stretched; antialiased where they shrink."""
    maps = torch.from_numpy(np.ascontiguousarray(logits, np.float32)).reshape(1, -1, *logits.shape[-2:])
    clamped = maps.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
    if clamped.shape[-2:] != (side, side):
        clamped = F.interpolate(clamped, (side, side), mode="bilinear", antialias=True)
    return clamped[0].reshape(*logits.shape[:-2], side, side).numpy()


def _has_foreground(manifest: pd.DataFrame) -> NDArray[np.bool_]:
    if "foreground" not in manifest:
        return np.ones(len(manifest), bool)
    return (manifest["foreground"] > 0).to_numpy()
