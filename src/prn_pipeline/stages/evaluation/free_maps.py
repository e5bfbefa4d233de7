"""The stored maps that need no refiner: the base model's, its mean over TTA, and those of further models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from prn_pipeline.comparison.method import TunedMap
from prn_pipeline.comparison.several_maps import ALONE, MEAN
from prn_pipeline.data.store.array_store import shards
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.input_names import SEVERAL_MAPS


class StoredMap(NamedTuple):
    """Where a map is stored.

    Attributes:
        array: name of the array.
        channel: channel of it that is the map; None for an array without channels.
    """

    array: str
    channel: int | None

    def of(self, stored: Mapping[str, np.ndarray]) -> np.ndarray:
        """The map (N,H,W), from rows of the arrays by name, (N,H,W) or (N,channels,H,W)."""
        values = stored[self.array]
        return values if self.channel is None else values[:, self.channel]


#: The maps that a logit cache may hold, whatever models made them.
ARRAYS: dict[TunedMap, StoredMap] = {
    "base": StoredMap("logits", None),
    "tta": StoredMap("tta", 0),
    "tta_scales": StoredMap("tta_scales", None),
    MEAN: StoredMap(SEVERAL_MAPS, 0),
}


def free_maps(samples: Samples) -> dict[TunedMap, StoredMap]:
    """The maps that the stores hold by name, the base model's first."""
    found = {name: place for name, place in ARRAYS.items() if samples.holds(place.array)}
    if MEAN in found:
        labels = samples.store_of(SEVERAL_MAPS).attributes[SEVERAL_MAPS]
        others = enumerate(labels[1:], start=1)  # the first is the base model
        found |= {f"{ALONE}{label}": StoredMap(SEVERAL_MAPS, channel) for channel, label in others}
    return found


def arrays_of(maps: Mapping[TunedMap, StoredMap]) -> list[str]:
    """Names of the arrays that hold the maps, each once."""
    return list(dict.fromkeys(place.array for place in maps.values()))


def learning_batches(samples: Samples, rows: np.ndarray) -> Iterator[tuple[dict[TunedMap, np.ndarray], np.ndarray]]:
    """All free maps, float16 (N,H,W), and the masks of `rows`, a shard at most at a time; without padding."""
    maps = free_maps(samples)
    arrays = arrays_of(maps)
    shards_of_rows = shards(rows, samples.maps_per_image)
    for shard, (masks, *stored) in zip(shards_of_rows, samples.batches(["masks", *arrays], rows), strict=True):
        by_array = dict(zip(arrays, stored, strict=True))
        found = {name: place.of(by_array) for name, place in maps.items()}
        for alike, region in samples.regions(shard):
            if region is None:
                yield found, masks
            else:
                yield {name: region.of(values[alike]) for name, values in found.items()}, region.of(masks[alike])
