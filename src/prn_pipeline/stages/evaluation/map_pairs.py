"""Maps of the test images before and after the refiner, read one shard at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from prn_pipeline.comparison.method import MapBatch, TunedMap
from prn_pipeline.data.canvas import Region
from prn_pipeline.data.execution.settings import RowRange
from prn_pipeline.data.store.array_store import ArrayStore, shards
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.stages.evaluation.free_maps import arrays_of, free_maps

#: Pixels of a batch of maps: small enough that repeated passes over them stay in the cache of a core.
BATCH_PIXELS = 2**18


@dataclass(frozen=True)
class MapPair:
    """The maps of one test image before and after the refiner.

    Attributes:
        maps: logits of the base model and their means over TTA, float32 (H,W), by the names of `free_maps`.
        refined: logits of the refiner, float32 (H,W).
        mask: uint8 (H,W): 0, 1, 255 = ignore.
    """

    maps: Mapping[TunedMap, np.ndarray]
    refined: np.ndarray
    mask: np.ndarray


#: Resizes the maps and the mask of a manifest row to the resolution of the evaluation.
Resize = Callable[[int, MapPair], MapPair]


def stream_batches(
    samples: Samples,
    refined: ArrayStore,
    rows: np.ndarray,
    resize: Resize | None = None,
    row_range: RowRange | None = None,
) -> Iterator[MapBatch]:
    """Test maps in the order of the manifest, with one shard in memory; row i of `refined` belongs to `rows[i]`.

    Maps and masks of letterboxed samples have no padding.

    Args:
        samples: samples with arrays logits and masks, and optionally those of TTA.
        refined: store of the refiner's logits of the test rows.
        rows: rows of the test samples, int (n,).
        resize: function that resizes each map; a batch then has the maps of one image.
        row_range: range of `rows` that covers whole images; None for all rows.

    Yields:
        Batches of at most `BATCH_PIXELS` pixels or one image, all of one shape.
    """
    places = free_maps(samples)
    arrays = ["masks", *arrays_of(places)]
    maps_per_image = samples.maps_per_image
    refined_rows = np.arange(*(row_range or (0, len(rows))))
    rows = rows[refined_rows]
    refined_shards = (refined.read("logits", shard) for shard in shards(refined_rows, maps_per_image))
    stored = zip(shards(rows, maps_per_image), samples.batches(arrays, rows), refined_shards, strict=True)
    for shard, (masks, *free), after in stored:
        images = 1 if resize else max(1, BATCH_PIXELS // masks[0].size // maps_per_image)
        size = images * maps_per_image
        for first in range(0, len(shard), size):
            chosen = slice(first, first + size)
            by_array = {name: array[chosen] for name, array in zip(arrays[1:], free, strict=True)}
            maps = {name: place.of(by_array).astype(np.float32) for name, place in places.items()}
            pairs = MapPair(maps, after[chosen].astype(np.float32), masks[chosen])
            for alike, region in samples.regions(shard[chosen]):
                found = _part(pairs, alike, region) if region else pairs
                yield _batch(_resized(found, shard[chosen], resize) if resize else found)


def _batch(pairs: MapPair) -> MapBatch:
    """The maps of some images, those of further models apart."""
    others = dict(pairs.maps)
    base, tta, tta_scales = (others.pop(name, None) for name in ("base", "tta", "tta_scales"))
    assert base is not None
    return MapBatch(base, pairs.refined, pairs.mask, tta, tta_scales, others)


def _part(stacked: MapPair, rows: slice, region: Region) -> MapPair:
    """Some rows without the padding of their samples."""
    maps = {name: region.of(values[rows]) for name, values in stacked.maps.items()}
    return MapPair(maps, region.of(stacked.refined[rows]), region.of(stacked.mask[rows]))


def _resized(stacked: MapPair, rows: np.ndarray, resize: Resize) -> MapPair:
    """The resized maps of one image; all fields have an axis more, for the rows."""
    pairs = [
        resize(row, MapPair({name: maps[index] for name, maps in stacked.maps.items()}, refined, mask))
        for index, (row, refined, mask) in enumerate(zip(rows.tolist(), stacked.refined, stacked.mask, strict=True))
    ]
    maps = {name: np.stack([pair.maps[name] for pair in pairs]) for name in stacked.maps}
    return MapPair(maps, np.stack([pair.refined for pair in pairs]), np.stack([pair.mask for pair in pairs]))
