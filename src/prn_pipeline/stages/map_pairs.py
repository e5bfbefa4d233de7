"""Maps of the test images before and after PRN, read a shard at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from prn_pipeline.data.array_store import ArrayStore, shards
from prn_pipeline.data.sample_store import Samples

#: Pixels of a batch of maps: what passes over them again and again stays in a core's cache.
PIXELS_AT_ONCE = 2**18


@dataclass(frozen=True)
class MapPair:
    """One test image: logits of the base model and of PRN (H,W) float32, and the mask (H,W) uint8 0, 1, 255.

    `views` are the mean logits of the base model over other views of the image, where they were kept.
    """

    base: np.ndarray
    refined: np.ndarray
    mask: np.ndarray
    views: np.ndarray | None = None


@dataclass(frozen=True)
class MapBatch:
    """Test images of one size, as in `MapPair`: logits (N,H,W) float32 and masks (N,H,W) uint8."""

    base: np.ndarray
    refined: np.ndarray
    masks: np.ndarray
    views: np.ndarray | None = None


#: Brings the maps and the mask of a manifest row to the resolution that is measured.
Resize = Callable[[int, MapPair], MapPair]


def stream_batches(
    samples: Samples, refined: ArrayStore, rows: np.ndarray, resize: Resize | None = None
) -> Iterator[MapBatch]:
    """Test maps in order of the manifest, a shard in memory at a time; row i of `refined` belongs to `rows[i]`.

    Args:
        samples: with arrays logits and masks, and views where they were kept.
        refined: PRN's logits of the test rows.
        rows: rows of the test samples, int (n,).
        resize: to another resolution, an image at a time; a batch is then one image.

    Yields:
        Batches of about `PIXELS_AT_ONCE` pixels, at least one image.
    """
    names = ["logits", "masks", *(["views"] if samples.holds("views") else [])]
    refined_shards = (refined.read("logits", part) for part in shards(np.arange(len(rows))))
    stored = zip(shards(rows), samples.batches(names, rows), refined_shards, strict=True)
    for part, (base, masks, *views), after in stored:
        size = 1 if resize else max(1, PIXELS_AT_ONCE // masks[0].size)
        for first in range(0, len(part), size):
            some = slice(first, first + size)
            batch = MapBatch(
                base[some].astype(np.float32),
                after[some].astype(np.float32),
                masks[some],
                views[0][some, 0].astype(np.float32) if views else None,
            )
            yield _resized(batch, int(part[first]), resize) if resize else batch


def _resized(batch: MapBatch, row: int, resize: Resize) -> MapBatch:
    """A batch of one image at the resolution that `resize` gives."""
    views = None if batch.views is None else batch.views[0]
    pair = resize(row, MapPair(batch.base[0], batch.refined[0], batch.masks[0], views))
    views = None if pair.views is None else pair.views[None]
    return MapBatch(pair.base[None], pair.refined[None], pair.mask[None], views)


def stream_pairs(samples: Samples, refined: ArrayStore, rows: np.ndarray) -> Iterator[MapPair]:
    """`stream_batches` an image at a time."""
    for batch in stream_batches(samples, refined, rows):
        for base, after, mask in zip(batch.base, batch.refined, batch.masks, strict=True):
            yield MapPair(base, after, mask)
