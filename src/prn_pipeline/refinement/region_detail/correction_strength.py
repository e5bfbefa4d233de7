"""The guard: how strongly to correct, and at which threshold, selected on maps held out from training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError

#: Correction strengths to choose from: 0 leaves the starting logits unchanged, 1 is the full correction.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Shifts of all logits to choose from, in eighths: a threshold other than 0.5 for the whole set.
SHIFTS = np.arange(-40, 41, dtype=np.float32) / 8
NO_SHIFT = 40
#: A shift must gain this much iou_micro on folds that were not used to select it; smaller gains are chance.
MIN_GAIN = 0.002


class Correction(NamedTuple):
    """How base, starting and refined logits are combined into the final logits.

    Attributes:
        start: 1 corrects the starting logits; 0 keeps the base model's logits.
        strength: share of the correction that is applied, one of `STRENGTHS`.
        shift: added to every logit, one of `SHIFTS`.
    """

    start: float
    strength: float
    shift: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether the final logits equal the base model's logits, to the last bit."""
        return not self.start and not self.shift

    def blend(self, base: Tensor, start: Tensor, refined: Tensor) -> Tensor:
        """The final logits, float32, of the common shape of all three."""
        blended = torch.lerp(start, refined, self.strength) if self.start else base
        return blended + self.shift if self.shift else blended


#: Candidates without shifts. The unchanged base model comes first, so that it wins ties.
CANDIDATES = (Correction(0.0, 0.0), *(Correction(1.0, strength) for strength in STRENGTHS))


class Selection(NamedTuple):
    """A correction, with the iou_micro of the base model and under the correction on the same held-out maps."""

    correction: Correction
    base_iou: float
    refined_iou: float


class CorrectionTuner:
    """Finds the correction with the best `iou_micro` over a set of maps: `update` for every batch, then `best`.

    If no candidate gains, the base model stays unchanged. The tuner uses a shift of all logits (a threshold other than
    0.5) only if it gains on folds that were not used to select it.

    Args:
        folds: number of folds that the maps are assigned to; with one fold the tuner tries no shifts.
    """

    def __init__(self, folds: int = 1) -> None:
        # Pixel counts by fold, candidate, truth (background, foreground), and number of -SHIFTS below the logit.
        self._counts = np.zeros((folds, len(CANDIDATES), 2, len(SHIFTS) + 1), np.int64)

    def update(self, base: Tensor, start: Tensor, refined: Tensor, masks: Tensor, fold: int = 0) -> None:
        """Count a batch.

        Args:
            base: base logits (N,1,H,W).
            start: logits that the correction is added to (N,1,H,W).
            refined: logits refined by members that have not learned from these maps (N,1,H,W).
            masks: (N,H,W) of 0, 1, 255 = ignore.
            fold: fold of these maps.
        """
        valid = (masks != IGNORE).unsqueeze(1)
        truth = (masks == 1).unsqueeze(1)[valid]
        maps = base.float(), start.float(), refined.float()
        bounds = torch.from_numpy(-SHIFTS[::-1].copy())
        for number, correction in enumerate(CANDIDATES):
            above = torch.bucketize(correction.blend(*maps)[valid], bounds)  # number of bounds below the logit
            found = torch.bincount(above + truth * (len(SHIFTS) + 1), minlength=2 * (len(SHIFTS) + 1))
            self._counts[fold, number] += found.view(2, -1).numpy()

    def best(self) -> Selection:
        """The best candidate; among equally good ones the first, which corrects least.

        Raises:
            UserError: no map was counted.
        """
        if not self._counts.any():
            raise UserError("no map was counted, so no correction can be selected; update the tuner first")
        # Column i: pixels that are foreground under SHIFTS[i].
        foreground = self._counts[..., ::-1].cumsum(axis=-1)[..., ::-1][..., 1:][..., ::-1]
        intersection = foreground[:, :, 1]
        union = self._counts[:, :, 1].sum(-1, keepdims=True) + foreground[:, :, 0]
        found = [self._best_shift(intersection[:, number], union[:, number]) for number in range(len(CANDIDATES))]
        winner = int(np.argmax([iou for _, iou in found]))
        correction = CANDIDATES[winner]._replace(shift=float(SHIFTS[found[winner][0]]))
        return Selection(correction, float(_iou(intersection[:, 0], union[:, 0])[NO_SHIFT]), found[winner][1])

    @staticmethod
    def _best_shift(intersection: np.ndarray, union: np.ndarray) -> tuple[int, float]:
        """Index of the best shift of a candidate, and its iou_micro; both arguments are (folds, shifts)."""
        unshifted = float(_iou(intersection, union)[NO_SHIFT])
        if len(intersection) == 1:
            return NO_SHIFT, unshifted
        folds = range(len(intersection))
        others = [[fold for fold in folds if fold != left_out] for left_out in folds]
        chosen = [_index_of_best(intersection[rest], union[rest]) for rest in others]
        cross_validated_iou = float(intersection[folds, chosen].sum() / max(union[folds, chosen].sum(), 1))
        if cross_validated_iou < unshifted + MIN_GAIN:
            return NO_SHIFT, unshifted
        return _index_of_best(intersection, union), cross_validated_iou


def _iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    return intersection.sum(0) / np.maximum(union.sum(0), 1)


def _index_of_best(intersection: np.ndarray, union: np.ndarray) -> int:
    """Index of the best shift; among equally good ones the smallest in magnitude."""
    iou = _iou(intersection, union)
    winners = np.flatnonzero(iou == iou.max())
    return int(winners[np.abs(winners - NO_SHIFT).argmin()])
