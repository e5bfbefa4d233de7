"""How far to trust a refiner, and above which logit, decided on maps that it has not learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError

#: Shares of the correction: 0 is what it is added to, 1 is the refiner's own word.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: What may be added to all logits in the end, eighths: the one threshold that is best for a whole set of maps.
SHIFTS = np.arange(-40, 41, dtype=np.float32) / 8
NO_SHIFT = 40
#: A shift has to gain this much iou_micro on folds that did not choose it: less is chance.
LEAST_GAIN = 0.002


class Correction(NamedTuple):
    """What is made of base logits, starting logits and refined logits.

    Attributes:
        start: 1: the correction is added to the starting logits; 0: nothing is, the base model's map is the basis.
        strength: share of the correction that is added, one of `STRENGTHS`.
        shift: what is added to every logit, one of `SHIFTS`.
    """

    start: float
    strength: float
    shift: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether the base model stays as it is, to the last bit."""
        return not self.start and not self.shift

    def blend(self, base: Tensor, start: Tensor, refined: Tensor) -> Tensor:
        """The final logits, float32, of the shape of all three."""
        blended = torch.lerp(start, refined, self.strength) if self.start else base
        return blended + self.shift if self.shift else blended


#: Without their shifts. The untouched base model first: it wins a draw.
CANDIDATES = (Correction(0.0, 0.0), *(Correction(1.0, strength) for strength in STRENGTHS))


class Selection(NamedTuple):
    """The choice, and the iou_micro of the base model and of the refiner under it, on the same maps."""

    trust: Correction
    base_iou: float
    refined_iou: float


class CorrectionTuner:
    """The choice with the best `iou_micro` over a set of maps: `update` for every batch, then `best`.

    The guard of the method: where nothing gains, the base model stays as it is. A shift of all logits (which is a
    threshold other than 0.5) is used only where it gains on folds that did not choose it.

    Args:
        folds: that the maps are dealt out to; with one alone no shift is tried.
    """

    def __init__(self, folds: int = 1) -> None:
        # Pixels of a fold and candidate, background and foreground, whose logit is above so many of -SHIFTS.
        self._counts = np.zeros((folds, len(CANDIDATES), 2, len(SHIFTS) + 1), np.int64)

    def update(self, base: Tensor, start: Tensor, refined: Tensor, masks: Tensor, fold: int = 0) -> None:
        """Count a batch.

        Args:
            base: base logits (N,1,H,W).
            start: what the correction was added to (N,1,H,W).
            refined: out-of-fold refined logits (N,1,H,W).
            masks: (N,H,W) of 0, 1, 255 = ignore.
            fold: that these maps belong to.
        """
        valid = (masks != IGNORE).unsqueeze(1)
        truth = (masks == 1).unsqueeze(1)[valid]
        maps = base.float(), start.float(), refined.float()
        bounds = torch.from_numpy(-SHIFTS[::-1].copy())
        for number, trust in enumerate(CANDIDATES):
            above = torch.bucketize(trust.blend(*maps)[valid], bounds)  # so many bounds are below the logit
            found = torch.bincount(above + truth * (len(SHIFTS) + 1), minlength=2 * (len(SHIFTS) + 1))
            self._counts[fold, number] += found.view(2, -1).numpy()

    def best(self) -> Selection:
        """The best candidate; of equally good ones the first, which trusts least.

        Raises:
            UserError: nothing was counted.
        """
        if not self._counts.any():
            raise UserError("no map was counted, so there is nothing to choose by; update the tuner first")
        # Column i: pixels that are foreground under SHIFTS[i].
        said = self._counts[..., ::-1].cumsum(axis=-1)[..., ::-1][..., 1:][..., ::-1]
        intersection = said[:, :, 1]
        union = self._counts[:, :, 1].sum(-1, keepdims=True) + said[:, :, 0]
        found = [self._judged(intersection[:, number], union[:, number]) for number in range(len(CANDIDATES))]
        winner = int(np.argmax([iou for _, iou in found]))
        trust = CANDIDATES[winner]._replace(shift=float(SHIFTS[found[winner][0]]))
        return Selection(trust, float(_iou(intersection[:, 0], union[:, 0])[NO_SHIFT]), found[winner][1])

    @staticmethod
    def _judged(intersection: np.ndarray, union: np.ndarray) -> tuple[int, float]:
        """The place of a candidate's shift, and its iou_micro; both arguments are (folds, shifts)."""
        plain = float(_iou(intersection, union)[NO_SHIFT])
        if len(intersection) == 1:
            return NO_SHIFT, plain
        folds = range(len(intersection))
        others = [[fold for fold in folds if fold != left_out] for left_out in folds]
        chosen = [_best_shift(intersection[rest], union[rest]) for rest in others]
        honest = float(intersection[folds, chosen].sum() / max(union[folds, chosen].sum(), 1))
        if honest < plain + LEAST_GAIN:
            return NO_SHIFT, plain
        return _best_shift(intersection, union), honest


def _iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    return intersection.sum(0) / np.maximum(union.sum(0), 1)


def _best_shift(intersection: np.ndarray, union: np.ndarray) -> int:
    """Place of the best shift; of equally good ones the nearest to none."""
    iou = _iou(intersection, union)
    winners = np.flatnonzero(iou == iou.max())
    return int(winners[np.abs(winners - NO_SHIFT).argmin()])
