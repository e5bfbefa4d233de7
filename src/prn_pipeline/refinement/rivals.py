"""What a user would reach for before training a refiner: a threshold, a tuned threshold, RankSEG.

Each turns probability maps float (N, H, W) into masks uint8 (N, H, W), as PRN's fused probabilities do under
`threshold_masks`, so that evaluation treats all of them alike.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.validation import check_masks, check_probabilities

HALF = 0.5
BINS = 1000

Array = TypeVar("Array", np.ndarray, Tensor)


def threshold_masks(probabilities: Array, threshold: float = HALF) -> Array:
    """Foreground where `probability > threshold`, compared in float32: uint8 of the same shape and kind."""
    if isinstance(probabilities, Tensor):
        return (probabilities.float() > threshold).to(torch.uint8)
    return (probabilities.astype(np.float32, copy=False) > np.float32(threshold)).astype(np.uint8)


class ThresholdTuner:
    """The one threshold that maximises `iou_micro` over a whole set, from two histograms: no map is kept.

    Candidates are k / 1000 for k = 0 .. 999, in float32. Use as `update` for every batch, then `best`.
    """

    def __init__(self) -> None:
        self._thresholds = (np.arange(BINS) / BINS).astype(np.float32)
        self._counts = np.zeros((2, BINS + 1), np.int64)  # of background and foreground; column k: above k candidates

    def update(self, probabilities: NDArray[np.floating] | Tensor, masks: NDArray[np.uint8] | Tensor) -> None:
        """Count a batch.

        Args:
            probabilities: float16 or float32 (N, H, W) in [0, 1].
            masks: uint8 (N, H, W): 0, 1, or 255 for pixels to leave out.

        Raises:
            UserError: wrong dtype or shape, or values outside these ranges; nothing is counted then.
        """
        maps, truth = _as_array(probabilities), _as_array(masks)
        check_probabilities(maps)
        truth = check_masks(truth, maps.shape)
        for value in (0, 1):
            below = np.searchsorted(self._thresholds, maps[truth == value].astype(np.float32, copy=False), side="left")
            self._counts[value] += np.bincount(below, minlength=BINS + 1)

    def best(self) -> float:
        """The best candidate; of equally good ones the nearest to 0.5, and then the lower.

        Where no pixel is foreground every threshold is as good as any other: 0.5.

        Raises:
            UserError: nothing was counted.
        """
        if not self._counts.any():
            raise UserError("no pixel was counted, so there is no threshold to tune; update the tuner with val maps")
        above = self._counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]  # column k: pixels above candidate k
        union = np.maximum(self._counts[1].sum() + above[0], 1)
        iou = above[1] / union
        winners = np.flatnonzero(iou == iou.max())
        nearest = winners[np.abs(winners - HALF * BINS).argmin()]
        return float(self._thresholds[nearest])


def tune_threshold(probabilities: NDArray[np.floating] | Tensor, masks: NDArray[np.uint8] | Tensor) -> float:
    """`ThresholdTuner` for maps that fit in memory."""
    tuner = ThresholdTuner()
    tuner.update(probabilities, masks)
    return tuner.best()


def rankseg_masks(probabilities: Array, metric: Literal["iou", "dice"] = "iou") -> Array:
    """RankSEG's masks: those of highest expected score if the probabilities are calibrated and pixels independent.

    Solver RMA of the library `rankseg` (Wang and Dai, NeurIPS 2025), without smoothing; a map that nowhere exceeds 0.5
    gives an empty mask, which is the library's pruning. The score is the expected IoU (or Dice) of each image alone,
    so `iou_macro` is what it aims at; on uncalibrated maps it may lose to `p > 0.5`.

    Args:
        probabilities: float16 or float32 (N, H, W) in [0, 1].
        metric: "iou", which the paper reports, or "dice".

    Returns:
        uint8 (N, H, W), of the same kind and on the same device.

    Raises:
        UserError: wrong dtype or shape, or values outside [0, 1].
    """
    from rankseg import RankSEG

    check_probabilities(_as_array(probabilities))
    # One channel is a "multilabel" problem there; image by image, because it sorts and sums in float32 copies.
    ranker = RankSEG(metric=metric, output_mode="multilabel", solver="RMA")
    maps = probabilities if isinstance(probabilities, Tensor) else torch.from_numpy(probabilities)
    masks = torch.empty(maps.shape, dtype=torch.uint8, device=maps.device)
    for image, probability in zip(masks, maps.detach(), strict=True):
        image.copy_(ranker.predict(probability.float()[None, None])[0, 0])
    return masks if isinstance(probabilities, Tensor) else masks.numpy()


def _as_array(values: np.ndarray | Tensor) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else values
