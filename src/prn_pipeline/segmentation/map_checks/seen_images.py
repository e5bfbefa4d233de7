"""Whether a model has seen the train images although its settings say that it has not."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from prn_pipeline.data.store.sample_store import Samples
from prn_pipeline.segmentation.map_checks.readings import as_stated
from prn_pipeline.segmentation.map_checks.sampling import compared_rows, reduced_maps, reduced_truth
from prn_pipeline.segmentation.protocol import MapCache, MapSource

logger = logging.getLogger(__name__)

#: Probability of a warning about splits that were drawn at random from one set.
LEVEL = 0.001
#: The maps of val must be wrong on this many times as many pixels (1 - IoU): splits differ in difficulty too, by cities
#: or cameras, and a model that hardly overfits flatters little.
MIN_RATIO = 1.5


def warn_of_seen_images(source: MapSource, cache: MapCache, samples: Samples, most: int) -> None:
    """Warn if maps of train fit the truth far better than maps of images that the model has surely not learned from.

    A refiner that learns from maps of images that the model was trained on learns from maps that are too good.

    Args:
        source: base model that was not trained here, and whose settings say that it has seen no split.
        cache: planned maps of all samples.
        samples: one row per image, with masks.
        most: images of each split that are compared.
    """
    if source.settings.trained_here or source.settings.seen:
        return
    of_train, of_others = (_fits(cache, samples, split, most) for split in ("train", "val"))
    if min(len(of_train), len(of_others)) < 2:
        return
    p = float(mannwhitneyu(of_train, of_others, alternative="greater").pvalue)
    before, after = float(of_train.mean()), float(of_others.mean())
    if p < LEVEL and 1 - after >= MIN_RATIO * (1 - before):
        logger.warning(
            "the base model's maps of train fit the true masks far better than those of val: mean IoU %.3f against %.3f"
            " (p = %.1g), as if it had been trained on train. If it was, set `seen: [train]` in its block: otherwise"
            " the refiner learns from maps that are better than those of new images",
            before,
            after,
            p,
        )


def _fits(cache: MapCache, samples: Samples, split: str, most: int) -> NDArray[np.float64]:
    """Mean IoU of each group of images of a split, at the best threshold for them all; none if it has no maps."""
    chosen = (samples.manifest["split"] == split).to_numpy()
    classes = len(cache.manifest) // len(samples.manifest)
    images = np.flatnonzero(chosen)
    if not len(images):
        return np.empty(0)
    rows = images[compared_rows(samples.manifest.iloc[images], cache.manifest[chosen.repeat(classes)], most)]
    if not len(rows):
        return np.empty(0)
    truths = reduced_truth(samples, rows, classes)
    side = truths[0].weight.shape[-1]
    wanted = (rows[:, None] * classes + np.arange(classes)).ravel()
    logits = np.concatenate([batch["logits"] for batch in (cache.probe or cache.make)(wanted)]).astype(np.float32)
    maps = reduced_maps(logits.reshape(len(rows), classes, *logits.shape[1:]), samples, rows, side)
    found = pd.Series(as_stated(maps, truths).by_image)
    groups = samples.manifest["group"].iloc[rows].to_numpy() if "group" in samples.manifest else np.arange(len(rows))
    return found.groupby(groups).mean().dropna().to_numpy()
