"""Maps of the test images before and after PRN, read a shard at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from prn_pipeline.comparison.method import MapBatch
from prn_pipeline.data.execution.settings import RowRange
from prn_pipeline.data.store.array_store import ArrayStore, shards
from prn_pipeline.data.store.sample_store import Samples

#: Pixels of a batch of maps: what passes over them again and again stays in a core's cache.
PIXELS_AT_ONCE = 2**18


@dataclass(frozen=True)
class MapPair:
    """One test image: logits of the base model and of PRN (H,W) float32, and the mask (H,W) uint8 0, 1, 255.

    `tta` holds the mean logits of the base model over flips of the image, where they were kept.
    """

    base: np.ndarray
    refined: np.ndarray
    mask: np.ndarray
    tta: np.ndarray | None = None


#: Brings the maps and the mask of a manifest row to the resolution that is measured.
Resize = Callable[[int, MapPair], MapPair]


def stream_batches(
    samples: Samples,
    refined: ArrayStore,
    rows: np.ndarray,
    resize: Resize | None = None,
    part: RowRange | None = None,
) -> Iterator[MapBatch]:
    """Test maps in order of the manifest, a shard in memory at a time; row i of `refined` belongs to `rows[i]`.

    Args:
        samples: with arrays logits and masks, and tta where they were kept.
        refined: PRN's logits of the test rows.
        rows: rows of the test samples, int (n,).
        resize: to another resolution, a map at a time; a batch is then the maps of one image.
        part: of `rows`, whole images; None: all.

    Yields:
        Batches of about `PIXELS_AT_ONCE` pixels, at least one image.
    """
    names = ["logits", "masks", *(["tta"] if samples.holds("tta") else [])]
    together = samples.maps_per_image
    places = np.arange(*(part or (0, len(rows))))
    rows = rows[places]
    refined_shards = (refined.read("logits", some) for some in shards(places, together))
    stored = zip(shards(rows, together), samples.batches(names, rows), refined_shards, strict=True)
    for shown, (base, masks, *tta), after in stored:
        size = together if resize else max(1, PIXELS_AT_ONCE // masks[0].size // together) * together
        for first in range(0, len(shown), size):
            some = slice(first, first + size)
            batch = MapBatch(
                base[some].astype(np.float32),
                after[some].astype(np.float32),
                masks[some],
                tta[0][some, 0].astype(np.float32) if tta else None,
            )
            yield _resized(batch, shown[some], resize) if resize else batch


def _resized(batch: MapBatch, rows: np.ndarray, resize: Resize) -> MapBatch:
    """The maps of one image at the resolution that `resize` gives."""
    tta = [None] * len(rows) if batch.tta is None else list(batch.tta)
    given = zip(rows.tolist(), batch.base, batch.refined, batch.masks, tta, strict=True)
    pairs = [resize(row, MapPair(base, refined, mask, seen)) for row, base, refined, mask, seen in given]
    seen = [pair.tta for pair in pairs if pair.tta is not None]
    base, refined, masks = (np.stack([getattr(pair, name) for pair in pairs]) for name in ("base", "refined", "mask"))
    return MapBatch(base, refined, masks, np.stack(seen) if seen else None)
