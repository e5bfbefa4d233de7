"""Pseudo-labels of cached maps, a batch at a time: the next one is read while this one is computed."""

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
    """Pseudo-labels of every sample that PRN may learn from (paper section 3.1).

    Args:
        samples: with arrays logits and masks.
        map_manifest: of the logit cache.
        patch_size: side of a patch in pixels.
        levels: candidate thresholds; None = exact.
        wanted: rows of `map_manifest`, int (n,); None: all.

    Yields:
        labels uint8 (B,S,S), thresholds float32 (B,g,g), iou float32 (B,g,g), in order of the manifest. Test samples
        and those without a map are not labelled: labels 255, thresholds and iou NaN.
    """
    learned = ((map_manifest["split"] != "test") & (map_manifest["model"] != NO_MAP)).to_numpy()
    parts = shards(np.arange(len(learned)) if wanted is None else wanted)
    for masks, logits, chosen in read_ahead(_read(samples, rows, learned[rows]) for rows in parts):
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


def _read(samples: Samples, rows: np.ndarray, learned: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masks of all `rows`, logits of those that are learned from, and which these are."""
    chosen = np.flatnonzero(learned)
    return samples.array("masks", rows), samples.array("logits", rows[chosen]), chosen
