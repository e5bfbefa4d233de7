"""Test images, every method on the same maps, counted as they stream by."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch import Tensor, nn

from prn_pipeline.data.array_store import ArrayStore
from prn_pipeline.data.sample_store import Samples
from prn_pipeline.metrics import COLUMNS, TruthCounter
from prn_pipeline.refinement import Decision, FixedThreshold, PatchOracle, RankSeg, ThresholdTuner
from prn_pipeline.refinement.stored_probabilities import probabilities_of
from prn_pipeline.stages.logit_caching import learning_rows
from prn_pipeline.stages.map_pairs import MapBatch, Resize, stream_batches

#: Methods in the order of every table. `views` is the mean of the base model's logits over other views of the image,
#: measured where they were kept. `patch_oracle` sees the truth: no rival, the most thresholds can do.
METHODS = ("base", "tuned_threshold", "rankseg", "views", "prn", "patch_oracle")


class Prediction(NamedTuple):
    """What a method says of a batch: masks bool (N,H,W), and probabilities float32 (N,H,W) unless it only decides."""

    masks: np.ndarray
    probabilities: np.ndarray | None


def tune_threshold(samples: Samples, map_manifest: pd.DataFrame) -> float:
    """The one threshold with the best iou_micro on the maps that PRN learns from (never on test)."""
    tuner = ThresholdTuner()
    for logits, masks in samples.batches(("logits", "masks"), learning_rows(map_manifest)):
        tuner.update(probabilities_of(logits), masks)
    return tuner.best()


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
        samples: with arrays logits and masks, and views where they were kept.
        refined: PRN's logits of the test rows.
        rows: rows of the test samples, int (n,).
        threshold: tuned on val.
        patch_size: of the oracle, in pixels at model resolution; it has as many patches at any resolution.
        resize: to native resolution; None measures at model resolution, as the paper does.

    Returns:
        One row an image and method: sample_id, method, the columns of `metrics.COLUMNS`, mae. The mean absolute error
        is of the probabilities of base and prn, and of the masks of methods that give masks only.
    """
    grid = -(-samples.store_of("logits").shape("logits")[1] // patch_size)
    counted = [
        count_methods(maps, threshold, patch_size=-(-max(maps.masks.shape[1:]) // grid))
        for maps in stream_batches(samples, refined, rows, resize)
    ]
    counts, errors = (np.concatenate(parts) for parts in zip(*counted, strict=True))
    ids = samples.manifest["sample_id"].to_numpy()[rows]
    methods = [name for name in METHODS if name != "views" or samples.holds("views")]
    table = pd.DataFrame({"sample_id": np.repeat(ids, len(methods)), "method": np.tile(methods, len(ids))})
    table[list(COLUMNS)] = counts.reshape(-1, len(COLUMNS))
    return table.assign(mae=errors.ravel())


def count_methods(maps: MapBatch, threshold: float, patch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts int64 (N, methods, 6) and mean absolute errors float64 (N, methods) of a batch."""
    counter = TruthCounter(maps.masks)
    said = list(predictions(maps, threshold, patch_size).values())
    counts = [counter.count(prediction.masks) for prediction in said]
    errors = [_mean_absolute_errors(prediction, counter, of_it) for prediction, of_it in zip(said, counts, strict=True)]
    return np.stack(counts, axis=1), np.stack(errors, axis=1)


def predictions(maps: MapBatch, threshold: float, patch_size: int) -> dict[str, Prediction]:
    """What each of `METHODS` says of a batch, in that order; without `views` where the batch has none."""
    base, truth = torch.from_numpy(maps.base)[:, None], torch.from_numpy(maps.masks)
    methods: dict[str, Callable[..., Tensor]] = {
        "base": nn.Identity(),
        "tuned_threshold": FixedThreshold(threshold),
        "rankseg": RankSeg(),
        "views": lambda _: torch.from_numpy(maps.views)[:, None],
        "prn": lambda _: torch.from_numpy(maps.refined)[:, None],  # it has run already: `refine_test_maps`
        "patch_oracle": PatchOracle(patch_size),
    }
    if maps.views is None:
        del methods["views"]
    said = {}
    for name, method in methods.items():
        logits = (method(base, truth) if isinstance(method, PatchOracle) else method(base))[:, 0].numpy()
        said[name] = Prediction(logits > 0, None if isinstance(method, Decision) else expit(logits))
    return said


def _mean_absolute_errors(prediction: Prediction, counter: TruthCounter, counts: np.ndarray) -> np.ndarray:
    """Mean over the valid pixels of each image of |map - truth|, float64 (N,); 0 where nothing is valid."""
    if prediction.probabilities is None:
        wrong, valid = counts[:, 1] + counts[:, 2], counts[:, :4].sum(1)
        return (wrong / np.maximum(valid, 1)).astype(np.float32).astype(np.float64)  # rounded as means of maps are
    errors = np.abs(prediction.probabilities - counter.truth)
    return np.array([e[v].mean() if v.any() else 0.0 for e, v in zip(errors, counter.valid, strict=True)], np.float64)
