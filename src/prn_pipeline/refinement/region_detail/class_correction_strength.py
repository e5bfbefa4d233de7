"""How far to trust a refiner of several classes: what counts is which class says most, pixel by pixel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.correction_strength import CANDIDATES, Selection


class ClassCorrectionTuner:
    """The choice with the best mean IoU over classes: `update` for every batch, then `best`.

    As `trust_tuning.CorrectionTuner`, but of maps of which C belong to one image. A shift of all logits would change
    nothing: the order of classes stays.

    Args:
        classes: C.
    """

    def __init__(self, classes: int) -> None:
        self._confusion = np.zeros((len(CANDIDATES), classes, classes), np.int64)  # true class, predicted class

    def update(self, base: Tensor, start: Tensor, refined: Tensor, masks: Tensor, fold: int = 0) -> None:
        """Count a batch.

        Args:
            base: base logits (N*C,1,H,W), the maps of an image together.
            start: what the correction was added to (N*C,1,H,W).
            refined: out-of-fold refined logits (N*C,1,H,W).
            masks: (N*C,H,W): 1 where the map's class is, 0 where it is not, 255 = ignore.
            fold: that these maps belong to; it does not matter here.
        """
        classes = self._confusion.shape[1]
        stacked = masks.unflatten(0, (-1, classes))
        valid, truth = stacked[:, 0] != IGNORE, (stacked == 1).int().argmax(1)
        for number, trust in enumerate(CANDIDATES):
            blended = trust.blend(base.float(), start.float(), refined.float())
            said = blended[:, 0].unflatten(0, (-1, classes)).argmax(1)
            pairs = (truth * classes + said)[valid]
            self._confusion[number] += torch.bincount(pairs, minlength=classes**2).view(classes, classes).numpy()

    def best(self) -> Selection:
        """The best candidate; of equally good ones the first, which trusts least.

        Raises:
            UserError: nothing was counted.
        """
        if not self._confusion.any():
            raise UserError("no map was counted, so there is nothing to choose by; update the tuner first")
        found = [_mean_iou(confusion) for confusion in self._confusion]
        winner = int(np.argmax(found))
        return Selection(CANDIDATES[winner], found[0], found[winner])


def _mean_iou(confusion: np.ndarray) -> float:
    """Over the classes that are there, which are the same for every candidate."""
    right, true = np.diagonal(confusion), confusion.sum(1)
    union = confusion.sum(0) + true - right
    return float((right[true > 0] / union[true > 0]).mean())
