"""The guard for several classes, which compares the highest class of each pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.correction import CANDIDATES
from prn_pipeline.refinement.region_detail.correction_strength import Candidate, Selection, choose


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

    def update(
        self,
        base: Tensor,
        start: Tensor,
        refined: Tensor,
        masks: Tensor,
        fold: int = 0,
        groups: Sequence[object] | None = None,
    ) -> None:
        """Count a batch.

        Args:
            base: base logits (N*C,1,H,W), the classes of one image in adjacent rows.
            start: logits that the correction is added to (N*C,1,H,W).
            refined: logits refined by members that have not learned from these maps (N*C,1,H,W).
            masks: (N*C,H,W): 1 for the class of the map, 0 for another class, 255 = ignore.
            fold: fold of these maps; not used here.
            groups: group of each map; not used here.
        """
        classes = self._confusion.shape[1]
        stacked = masks.unflatten(0, (-1, classes))
        valid, truth = stacked[:, 0] != IGNORE, (stacked == 1).int().argmax(1)
        for number, correction in enumerate(CANDIDATES):
            blended = correction.blend(base.float(), start.float(), refined.float())
            predictions = blended[:, 0].unflatten(0, (-1, classes)).argmax(1)
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
