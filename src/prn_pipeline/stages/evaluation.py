"""Test images, every method on the same maps, counted as they stream by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from prn_pipeline.data.array_store import SHARD_ROWS, ArrayStore
from prn_pipeline.data.sample_store import Samples
from prn_pipeline.metrics import COLUMNS, count_image
from prn_pipeline.refinement import patch_pseudo_labels
from prn_pipeline.refinement.rivals import ThresholdTuner, rankseg_masks
from prn_pipeline.stages.logit_caching import learning_rows

#: Methods in the order of every table. `patch_oracle` sees the truth: it is the upper bound, not a rival.
METHODS = ("base", "tuned_threshold", "rankseg", "prn", "patch_oracle")


@dataclass(frozen=True)
class MapPair:
    """One test image: logits of the base model and of PRN (H,W) float32, and the mask (H,W) uint8 0, 1, 255."""

    base: np.ndarray
    refined: np.ndarray
    mask: np.ndarray


#: Brings the maps and the mask of a manifest row to the resolution that is measured.
Resize = Callable[[int, MapPair], MapPair]


def tune_threshold(samples: Samples, map_manifest: pd.DataFrame) -> float:
    """The one threshold with the best iou_micro on the maps that PRN learns from (never on test)."""
    tuner = ThresholdTuner()
    for start in range(0, len(rows := learning_rows(map_manifest)), SHARD_ROWS):
        part = rows[start : start + SHARD_ROWS]
        tuner.update(expit(samples.array("logits", part).astype(np.float32)), samples.array("masks", part))
    return tuner.best()


def stream_pairs(samples: Samples, refined: ArrayStore, rows: np.ndarray) -> Iterator[MapPair]:
    """Test maps in order of the manifest, a shard in memory at a time; row i of `refined` belongs to `rows[i]`."""
    for start in range(0, len(rows), SHARD_ROWS):
        part = rows[start : start + SHARD_ROWS]
        base, masks = samples.array("logits", part), samples.array("masks", part)
        after = refined.read("logits", slice(start, start + len(part)))
        for i in range(len(part)):
            yield MapPair(base[i].astype(np.float32), after[i].astype(np.float32), masks[i])


def measure(
    samples: Samples,
    refined: ArrayStore,
    rows: np.ndarray,
    threshold: float,
    patch_size: int,
    resize: Resize | None = None,
) -> pd.DataFrame:
    """Counts of every method on every test image.

    Args:
        samples: with arrays logits and masks.
        refined: PRN's logits of the test rows.
        rows: rows of the test samples, int (n,).
        threshold: tuned on val.
        patch_size: of the oracle, in pixels at model resolution; it has as many patches at any resolution.
        resize: to native resolution; None measures at model resolution, as the paper does.

    Returns:
        One row an image and method: sample_id, method, the columns of `metrics.COLUMNS`, mae. The mean absolute error
        is of the probabilities of base and prn, and of the masks of methods that give masks only.
    """
    ids = samples.manifest["sample_id"].to_numpy()
    records = []
    for row, stored in zip(rows, stream_pairs(samples, refined, rows), strict=True):
        grid = -(-stored.mask.shape[0] // patch_size)
        pair = resize(int(row), stored) if resize else stored
        maps = predictions(pair, threshold, patch_size=-(-max(pair.mask.shape) // grid))
        valid = pair.mask != 255
        for method, (prediction, probability) in maps.items():
            error = np.abs(probability - (pair.mask == 1))[valid].mean() if valid.any() else 0.0
            counts = dict(zip(COLUMNS, count_image(prediction, pair.mask).tolist(), strict=True))
            records.append({"sample_id": ids[row], "method": method, **counts, "mae": float(error)})
    return pd.DataFrame(records)


def predictions(pair: MapPair, threshold: float, patch_size: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mask bool (H,W) and map in [0, 1] (H,W) of each method, in the order of `METHODS`."""
    probability = expit(pair.base)
    tuned = probability > threshold
    rankseg = rankseg_masks(probability[None])[0] == 1
    oracle = patch_pseudo_labels(probability[None], pair.mask[None], patch_size).labels[0] == 1
    return {
        "base": (pair.base > 0, probability),
        "tuned_threshold": (tuned, tuned.astype(np.float32)),
        "rankseg": (rankseg, rankseg.astype(np.float32)),
        "prn": (pair.refined > 0, expit(pair.refined)),
        "patch_oracle": (oracle, oracle.astype(np.float32)),
    }
