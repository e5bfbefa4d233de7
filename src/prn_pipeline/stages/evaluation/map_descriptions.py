"""What the images and maps look like that a refiner learned from: the reference that new ones are compared with."""

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
    """Rows of the maps that PRN learns from; of more than `images` images, so many at even steps. int64, ascending."""
    of_images = learning_rows(map_manifest).reshape(-1, samples.maps_per_image)
    chosen = np.linspace(0, len(of_images) - 1, min(images, len(of_images))).astype(np.int64)
    return of_images[chosen].ravel()


def described_maps(
    samples: Samples, rows: np.ndarray, refiner: Refiner, batch_size: int, tiles: Tiles
) -> Iterator[Batch]:
    """`metrics.descriptions.Descriptions` of stored maps, a shard at a time.

    Args:
        samples: with images, logits and what the refiner reads.
        rows: of whole images.
        refiner: trained.
        batch_size: maps a forward pass.
        tiles: that maps larger than one are cut into.
    """
    classes = samples.maps_per_image
    refined = predict_logits(refiner, samples, rows, refiner.arrays, batch_size, tiles)
    for part in shards(rows, classes):
        base, images = samples.array("logits", part), samples.array("images", part[::classes])
        after = np.concatenate(list(_until(refined, len(part))))
        by_image = (-1, classes, *base.shape[1:])
        yield describe(images, base.reshape(by_image), after.reshape(by_image))._asdict()


def _until(batches: Iterator[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    """Batches until they have so many rows; none reaches beyond."""
    while rows > 0:
        batch = next(batches)
        rows -= len(batch)
        yield batch
