"""The stored maps that need no refiner: the base model's logits, and its means over TTA where the cache holds them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from prn_pipeline.comparison.method import TunedMap
from prn_pipeline.data.store.sample_store import Samples

#: Name of the stored array of each map, and the channel of it that is the map; None for an array without channels.
ARRAYS: dict[TunedMap, tuple[str, int | None]] = {
    "base": ("logits", None),
    "tta": ("tta", 0),
    "tta_scales": ("tta_scales", None),
}


def free_maps(samples: Samples) -> list[TunedMap]:
    """Names of the maps that the stores hold, the base model's first."""
    return [name for name, (array, _) in ARRAYS.items() if samples.holds(array)]


def array_of(name: TunedMap) -> str:
    """Name of the stored array that holds a map."""
    return ARRAYS[name][0]


def map_of(name: TunedMap, stored: np.ndarray) -> np.ndarray:
    """The map (N,H,W) in rows of its array, (N,H,W) or (N,channels,H,W)."""
    channel = ARRAYS[name][1]
    return stored if channel is None else stored[:, channel]


def learning_batches(samples: Samples, rows: np.ndarray) -> Iterator[tuple[dict[TunedMap, np.ndarray], np.ndarray]]:
    """All free maps, float16 (N,H,W), and the masks of `rows`, one shard at a time."""
    names = free_maps(samples)
    for masks, *stored in samples.batches(["masks", *(array_of(name) for name in names)], rows):
        yield {name: map_of(name, array) for name, array in zip(names, stored, strict=True)}, masks
