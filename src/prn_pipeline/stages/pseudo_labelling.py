"""Pseudo-labels of cached maps, in batches; the next batch is read while the current one is computed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.array_store import Batch, shards
from prn_pipeline.data.store.logits import probabilities_of
from prn_pipeline.data.store.map_manifest import NO_MAP
from prn_pipeline.data.store.read_ahead import read_ahead
from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.refinement.pseudo_labels.labels import patch_pseudo_labels


def pseudo_label_batches(
    samples: Samples,
    map_manifest: pd.DataFrame,
    patch_size: int,
    levels: int | None,
    wanted: np.ndarray | None = None,
) -> Iterator[Batch]:
    """Pseudo-labels of every sample that a refiner may learn from (paper section 3.1).

    Args:
        samples: samples with arrays logits and masks.
        map_manifest: manifest of the logit cache.
        patch_size: side of a patch in pixels.
        levels: candidate thresholds; None = exact.
        wanted: rows of `map_manifest`, int (n,); None for all.

    Yields:
        labels uint8 (B,S,S), thresholds float32 (B,g,g), iou float32 (B,g,g), in the order of the manifest. Test
        samples and samples without a map get no labels: labels are 255, thresholds and iou NaN.
    """
    has_labels = ((map_manifest["split"] != "test") & (map_manifest["model"] != NO_MAP)).to_numpy()
    batches = shards(np.arange(len(has_labels)) if wanted is None else wanted)
    for masks, logits, chosen in read_ahead(_read(samples, rows, has_labels[rows]) for rows in batches):
        grid = tuple(-(-side // patch_size) for side in masks.shape[1:])
        batch = {
            "labels": np.full(masks.shape, IGNORE, np.uint8),
            "thresholds": np.full((len(masks), *grid), np.nan, np.float32),
            "iou": np.full((len(masks), *grid), np.nan, np.float32),
        }
        if chosen.size:
            found = patch_pseudo_labels(probabilities_of(logits), masks[chosen], patch_size, levels)
            batch["labels"][chosen] = found.labels
            batch["thresholds"][chosen] = found.thresholds
            batch["iou"][chosen] = found.iou
        yield batch


def _read(samples: Samples, rows: np.ndarray, has_labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of all `rows`, logits of the rows that get labels, and the indices of these among `rows`."""
    chosen = np.flatnonzero(has_labels)
    return samples.array("masks", rows), samples.array("logits", rows[chosen]), chosen
