"""The guard of a refiner whose logits are calibrated: it tunes nothing that few maps cannot tell."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from prn_pipeline.refinement.region_detail.correction import CANDIDATES, NO_SHIFT, SHIFTS, UNCHANGED, Correction
from prn_pipeline.refinement.region_detail.correction_strength import (
    Candidate,
    CorrectionTuner,
    RefinedBatch,
    Selection,
    choose,
)

#: Standard errors by which the correction may seem worse than a method without training before it is given up. The mean
#: of all members is better than the one member that left a map out: in cross-validation, differences of less on 10 to
#: 65 maps said nothing about new maps.
PATIENCE = 1.5
#: The full correction.
FULL = Correction(1.0, 1.0)
#: Steps of the iteration for a threshold that depends on its own IoU; it converges in two or three.
STEPS = 5


class Overlaps(NamedTuple):
    """Pixels in the intersection and in the union of each group of maps, float64 (groups,)."""

    intersection: np.ndarray
    union: np.ndarray

    @property
    def iou(self) -> float:
        """`iou_micro` over all groups."""
        return float(self.intersection.sum() / max(self.union.sum(), 1))

    def without_each(self) -> np.ndarray:
        """`iou_micro` over all groups but one, for each of them."""
        left = self.union.sum() - self.union
        return (self.intersection.sum() - self.intersection) / np.maximum(left, 1)


class CalibratedTuner(CorrectionTuner):
    """Selects between the full correction and what needs no training.

    For calibrated probabilities the mask of highest expected IoU J holds the pixels with p > J / (1 + J), that is with
    a logit above log J. So the shift of the full correction follows from its IoU on the maps that its members left out.
    Strengths and shifts chosen by IoU on few maps gained less on new maps than this rule without a choice.

    Methods that need no training compete as in `CorrectionTuner`. The best of them is taken if the correction is worse
    by more than `PATIENCE` standard errors (jackknife over groups, because the frames of one video err alike).
    """

    def __init__(self, folds: int = 1) -> None:
        super().__init__(folds)
        # As `_counts` without folds, and `_rankseg`, of each group.
        self._by_group: dict[object, tuple[np.ndarray, np.ndarray]] = {}

    def update(self, batch: RefinedBatch) -> None:
        """Count a batch, map by map, because each may be of another group."""
        for number in range(len(batch.masks)):
            counts, ranked = self._counts.sum(0), self._rankseg.copy()
            super().update(batch.rows(slice(number, number + 1)))
            group = object() if batch.groups is None else batch.groups[number]
            of_group = self._by_group.get(group, (0, 0))
            self._by_group[group] = (
                of_group[0] + self._counts.sum(0) - counts,
                of_group[1] + self._rankseg - ranked,
            )

    def best(self) -> Selection:
        """The selected correction.

        Raises:
            UserError: no map was counted.
        """
        base, free, _ = self.candidates()
        without = choose(base, free, [Candidate(UNCHANGED, -math.inf)])
        shift = NO_SHIFT
        for _ in range(STEPS):
            iou = self._overlaps(FULL._replace(shift=float(SHIFTS[shift]))).iou
            shift = int(np.abs(SHIFTS + math.log(max(iou, 1e-3))).argmin())
        chosen = FULL._replace(shift=float(SHIFTS[shift]))
        ours, others = self._overlaps(chosen), self._overlaps(without.correction)
        lost = others.iou - ours.iou
        apart = ours.without_each() - others.without_each()
        error = math.sqrt((len(apart) - 1) / len(apart) * float(((apart - apart.mean()) ** 2).sum()))
        if lost > PATIENCE * error:
            return without
        return Selection(chosen, without.base_iou, ours.iou, without.refined_iou)

    def _overlaps(self, correction: Correction) -> Overlaps:
        """Overlaps of each group under a correction whose start, strength and shift are among the candidates."""
        number = CANDIDATES.index(correction._replace(shift=0.0, rankseg=0.0))
        truth = np.array([counts[number, 1].sum() for counts, _ in self._by_group.values()])
        if correction.rankseg:
            found = np.array([ranked[number] for _, ranked in self._by_group.values()])
        else:
            shift = int(np.abs(SHIFTS - correction.shift).argmin())
            above = len(SHIFTS) - shift  # number of bounds below a logit that is above -shift
            found = np.array([counts[number, :, above:].sum(-1) for counts, _ in self._by_group.values()])
        return Overlaps(found[:, 1].astype(float), (truth + found[:, 0]).astype(float))
