"""The single threshold that is best for a whole set of maps: the first baseline to try."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.validation import as_array, check_masks, check_probabilities

HALF = 0.5
BINS = 1000


class ThresholdTuner:
    """Finds the threshold with the best `iou_micro` over a whole set, from two histograms; it keeps no maps.

    Candidates are k / 1000 for k = 0 .. 999, in float32. Call `update` for every batch, then `best`.
    """

    def __init__(self) -> None:
        self._thresholds = (np.arange(BINS) / BINS).astype(np.float32)
        # Rows: background, foreground. Column k: pixels whose probability exceeds exactly k candidates.
        self._counts = np.zeros((2, BINS + 1), np.int64)

    def update(self, probabilities: NDArray[np.floating] | Tensor, masks: NDArray[np.uint8] | Tensor) -> None:
        """Count a batch.

        Args:
            probabilities: float16 or float32 (N, H, W) in [0, 1].
            masks: uint8 (N, H, W): 0, 1, or 255 for pixels to ignore.

        Raises:
            UserError: wrong dtype or shape, or values outside these ranges. The counts are then unchanged.
        """
        # Imported here because loading numba takes a second and most users of this package never need it.
        from prn_pipeline.refinement.baselines.threshold_kernel import count_ranks

        maps, truth = as_array(probabilities), as_array(masks)
        check_probabilities(maps)
        truth = check_masks(truth, maps.shape)
        count_ranks(maps.astype(np.float32, copy=False).ravel(), truth.ravel(), self._thresholds, self._counts)

    def add(self, other: ThresholdTuner) -> None:
        """Add the counts of another tuner."""
        self._counts += other._counts

    def best(self) -> float:
        """The best candidate; ties go to the candidate nearest to 0.5, then to the lower one.

        Without a foreground pixel all thresholds tie, and the result is 0.5.

        Raises:
            UserError: no pixel was counted.
        """
        if not self._counts.any():
            raise UserError("no pixel was counted, so no threshold can be tuned: update the tuner with val maps first")
        iou = self._iou()
        winners = np.flatnonzero(iou == iou.max())
        nearest = winners[np.abs(winners - HALF * BINS).argmin()]
        return float(self._thresholds[nearest])

    def best_iou(self) -> float:
        """`iou_micro` of the best candidate on the counted maps; 0 if no pixel was counted."""
        return float(self._iou().max())

    def _iou(self) -> NDArray[np.float64]:
        above = self._counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]  # column k: pixels above candidate k
        union = np.maximum(self._counts[1].sum() + above[0], 1)
        return np.asarray(above[1] / union)


def tune_threshold(probabilities: NDArray[np.floating] | Tensor, masks: NDArray[np.uint8] | Tensor) -> float:
    """`ThresholdTuner` for maps that fit in memory."""
    tuner = ThresholdTuner()
    tuner.update(probabilities, masks)
    return tuner.best()
