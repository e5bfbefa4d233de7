"""Statistics of the images and maps that a refiner learned from: the reference of drift checks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.metrics.descriptions import describe
from prn_pipeline.refinement.protocol import Refiner
from prn_pipeline.training.inference import predict_logits
from prn_pipeline.training.tiling import Tiles


def reference_rows(samples: Samples, map_manifest: pd.DataFrame, images: int) -> np.ndarray:
    """Rows of maps that the refiner learns from, int64, ascending: of at most `images` evenly spaced images."""
    rows_of_images = learning_rows(map_manifest).reshape(-1, samples.maps_per_image)
    chosen = np.linspace(0, len(rows_of_images) - 1, min(images, len(rows_of_images))).astype(np.int64)
    return rows_of_images[chosen].ravel()


def described_maps(
    samples: Samples, rows: np.ndarray, refiner: Refiner, batch_size: int, tiles: Tiles
) -> Iterator[Batch]:
    """`metrics.descriptions.Descriptions` of stored maps without padding, at most one shard at a time.

    Args:
        samples: samples with images, logits and the inputs of the refiner.
        rows: rows of whole images.
        refiner: trained refiner.
        batch_size: maps per forward pass.
        tiles: tiles that larger maps are cut into.
    """
    maps_per_image = samples.maps_per_image
    batches = predict_logits(refiner, samples, rows, refiner.arrays, batch_size, tiles)
    for shard in shards(rows, maps_per_image):
        images = samples.array("images", shard[::maps_per_image])
        refined = np.concatenate(list(take(batches, len(shard))))
        base = refined if refiner.replaces_base_model else samples.array("logits", shard)
        for alike, region in samples.regions(shard):
            of_images = images[slice(alike.start // maps_per_image, alike.stop // maps_per_image)]
            pair = (base[alike], refined[alike])
            if region is not None:
                of_images, pair = region.of_images(of_images), (region.of(pair[0]), region.of(pair[1]))
            before, after = (maps.reshape(-1, maps_per_image, *maps.shape[1:]) for maps in pair)
            yield describe(of_images, before, after)._asdict()


def take(batches: Iterator[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """The next batches with this many rows in total; batches never span two shards."""
    while rows > 0:
        batch = next(batches)
        rows -= len(batch)
        yield batch
