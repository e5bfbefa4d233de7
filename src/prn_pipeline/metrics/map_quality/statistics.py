"""Statistics of an image's maps that say how good its mask is likely to be, and the IoU that they stand for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.store.logits import probabilities_of
from prn_pipeline.metrics.scores import mean_iou

#: Names of the columns of `quality_statistics`.
STATISTICS = ("soft_iou", "agreement")
#: Share of an image's pixels that is added to intersection and union, so that an empty mask without doubt counts as
#: right, as in `metrics.scores`, and a few stray pixels of probability do not count as an object.
SMOOTHING = 2e-4


def quality_statistics(base: NDArray[np.float16], refined: NDArray[np.float16]) -> NDArray[np.float64]:
    """Statistics of images, from their maps alone.

    `soft_iou` is the IoU of the refined mask that its own probabilities promise if pixels are independent: their sum
    over the mask, divided by the size of the mask and their sum outside. `agreement` is the IoU of base and refined
    mask. With several classes both are means over the classes that the refined mask has.

    Args:
        base: logits of the base model, float16 (N,C,H,W); C = 1 is foreground.
        refined: logits after the refiner, likewise.

    Returns:
        float64 (N,2) in [0, 1], in the order of `STATISTICS`.
    """
    probabilities = probabilities_of(refined)
    mask, base_mask = decided(refined), decided(base)
    smoothing = SMOOTHING * mask[0, 0].size
    inside = _sum(np.where(mask, probabilities, 0))
    soft = (inside + smoothing) / (_sum(mask) + _sum(probabilities) - inside + smoothing)
    agreement = (_sum(mask & base_mask) + smoothing) / (_sum(mask | base_mask) + smoothing)
    shown = mask.any((2, 3)) | (mask.shape[1] == 1)
    return np.stack([(values * shown).sum(1) / shown.sum(1) for values in (soft, agreement)], axis=1)


def true_iou(refined: NDArray[np.float16], masks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """IoU of refined masks over valid pixels, as `metrics.scores.mean_iou` of each image: float64 (N,).

    NaN for an image whose pixels are all ignored.

    Args:
        refined: logits float16 (N,C,H,W).
        masks: uint8 (N,C,H,W): 0, 1, 255 = ignore; of each class.
    """
    valid, truth, mask = masks != IGNORE, masks == 1, decided(refined)
    counts = np.zeros((*mask.shape[:2], 6), np.int64)
    counts[..., 0] = _sum(mask & truth)
    counts[..., 1] = _sum(mask & ~truth & valid)
    counts[..., 2] = _sum(~mask & truth)
    return np.where(valid.any((1, 2, 3)), mean_iou(counts), np.nan)


def decided(logits: NDArray[np.float16]) -> NDArray[np.bool_]:
    """Foreground of logits (N,C,H,W), bool of that shape: above 0, or of several classes the highest."""
    if logits.shape[1] == 1:
        return np.asarray(logits > 0)
    return np.asarray(logits.argmax(1)[:, None] == np.arange(logits.shape[1])[:, None, None])


def _sum(maps: NDArray[np.generic]) -> NDArray[np.float64]:
    return np.asarray(maps.sum((2, 3), dtype=np.float64))
