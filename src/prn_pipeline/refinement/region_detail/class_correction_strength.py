"""The guard for several classes, which compares the highest class of each pixel."""

from __future__ import annotations

import numpy as np
import torch

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.correction import CANDIDATES
from prn_pipeline.refinement.region_detail.correction_strength import Candidate, RefinedBatch, Selection, choose


class ClassCorrectionTuner:
    """Finds the correction with the best mean IoU over classes: `update` for every batch, then `best`.

    Like `correction_strength.CorrectionTuner`, for C maps per image. It tries no shifts: adding the same number to the
    logits of all classes changes no decision, and a refiner sees one map at a time without knowing its class, so it
    cannot apply a threshold for each class. RankSEG for classes compares all of them and is left out for that reason.

    Args:
        classes: number of classes, C.
    """

    def __init__(self, classes: int) -> None:
        self._confusion = np.zeros((len(CANDIDATES), classes, classes), np.int64)  # true class, predicted class

    def update(self, batch: RefinedBatch) -> None:
        """Count a batch; its fold and its groups are not used here."""
        maps = batch.base.float(), batch.start.float(), batch.refined.float()
        classes = self._confusion.shape[1]
        stacked = batch.masks.unflatten(0, (-1, classes))
        valid, truth = stacked[:, 0] != IGNORE, (stacked == 1).int().argmax(1)
        for number, correction in enumerate(CANDIDATES):
            predictions = correction.blend(*maps)[:, 0].unflatten(0, (-1, classes)).argmax(1)
            pairs = (truth * classes + predictions)[valid]
            self._confusion[number] += torch.bincount(pairs, minlength=classes**2).view(classes, classes).numpy()

    def best(self) -> Selection:
        """The selected correction; see `correction_strength.choose`.

        Raises:
            UserError: no map was counted.
        """
        if not self._confusion.any():
            raise UserError("no map was counted, so no correction can be selected; update the tuner first")
        ious = map(_mean_iou, self._confusion)
        base, start, *corrections = (Candidate(*found) for found in zip(CANDIDATES, ious, strict=True))
        return choose(base, [start], corrections)


def _mean_iou(confusion: np.ndarray) -> float:
    """Mean over the classes that are present in the truth, which are the same for every candidate."""
    intersection, true = np.diagonal(confusion), confusion.sum(1)
    union = confusion.sum(0) + true - intersection
    return float((intersection[true > 0] / union[true > 0]).mean())
