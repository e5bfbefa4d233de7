"""Maps of the test images before and after the refiner, read one shard at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from prn_pipeline.comparison.method import MapBatch
from prn_pipeline.data.execution.settings import RowRange
from prn_pipeline.data.store.array_store import ArrayStore, shards
from prn_pipeline.data.store.sample_store import Samples

#: Pixels of a batch of maps: small enough that repeated passes over them stay in the cache of a core.
BATCH_PIXELS = 2**18


@dataclass(frozen=True)
class MapPair:
    """The maps of one test image before and after the refiner.

    Attributes:
        base: logits of the base model, float32 (H,W).
        refined: logits of the refiner, float32 (H,W).
        mask: uint8 (H,W): 0, 1, 255 = ignore.
        tta: mean logits over flips, float32 (H,W); None if the logit cache does not hold them.
    """

    base: np.ndarray
    refined: np.ndarray
    mask: np.ndarray
    tta: np.ndarray | None = None


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

    Args:
        samples: samples with arrays logits and masks, and optionally tta.
        refined: store of the refiner's logits of the test rows.
        rows: rows of the test samples, int (n,).
        resize: function that resizes each map; a batch then has the maps of one image.
        row_range: range of `rows` that covers whole images; None for all rows.

    Yields:
        Batches of about `BATCH_PIXELS` pixels, at least one image.
    """
    names = ["logits", "masks", *(["tta"] if samples.holds("tta") else [])]
    maps_per_image = samples.maps_per_image
    refined_rows = np.arange(*(row_range or (0, len(rows))))
    rows = rows[refined_rows]
    refined_shards = (refined.read("logits", shard) for shard in shards(refined_rows, maps_per_image))
    stored = zip(shards(rows, maps_per_image), samples.batches(names, rows), refined_shards, strict=True)
    for shard, (base, masks, *tta), after in stored:
        images = 1 if resize else max(1, BATCH_PIXELS // masks[0].size // maps_per_image)
        size = images * maps_per_image
        for first in range(0, len(shard), size):
            chosen = slice(first, first + size)
            batch = MapBatch(
                base[chosen].astype(np.float32),
                after[chosen].astype(np.float32),
                masks[chosen],
                tta[0][chosen, 0].astype(np.float32) if tta else None,
            )
            yield _resized(batch, shard[chosen], resize) if resize else batch


def _resized(batch: MapBatch, rows: np.ndarray, resize: Resize) -> MapBatch:
    """The resized maps of one image."""
    means = [None] * len(rows) if batch.tta is None else list(batch.tta)
    maps = zip(rows.tolist(), batch.base, batch.refined, batch.masks, means, strict=True)
    pairs = [resize(row, MapPair(base, refined, mask, tta)) for row, base, refined, mask, tta in maps]
    resized_tta = [pair.tta for pair in pairs if pair.tta is not None]
    base, refined, masks = (np.stack([getattr(pair, name) for pair in pairs]) for name in ("base", "refined", "mask"))
    return MapBatch(base, refined, masks, np.stack(resized_tta) if resized_tta else None)
