"""The guard: which correction to apply, selected on maps held out from training.

A refiner has to be worth more than what needs no training. So the candidates are not only shares of its correction, but
also the base model as it is and what the correction starts from, and all of them with one threshold for all maps: 0.5,
a tuned one, or that of RankSEG for each map. Every step away from what is simpler must gain the same least amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.errors import UserError
from prn_pipeline.refinement.baselines.expected_iou import ranked_on_cpu, shift_of_ranked
from prn_pipeline.refinement.region_detail.correction import (
    CANDIDATES,
    NO_SHIFT,
    SHIFTS,
    STEPS,
    UNCHANGED,
    Correction,
)

#: What every candidate must gain in iou_micro on held-out maps over what is simpler; smaller gains are chance.
MIN_GAIN = 0.002
#: Pixels are counted by the number of -SHIFTS below their logit: from none to all of them.
BINS = len(SHIFTS) + 1


class Selection(NamedTuple):
    """A correction, with values of iou_micro on the same held-out maps.

    Attributes:
        correction: the selected one.
        base_iou: of the base model as it is.
        refined_iou: under the correction.
        free_iou: of the best candidate that needs no training, the base model included.
    """

    correction: Correction
    base_iou: float
    refined_iou: float
    free_iou: float


class RefinedBatch(NamedTuple):
    """Maps held out from training, as the guard counts them.

    Attributes:
        base: base logits (N,1,H,W) of whole maps; with C classes, (N*C,1,H,W), those of one image in adjacent rows.
        start: logits that the correction is added to, likewise.
        refined: logits refined by members that have not learned from these maps, likewise.
        masks: true masks (N,H,W) of 0, 1, 255 = ignore; with classes, 1 is the class of the map.
        fold: fold of these maps.
        groups: group of each map, such as its video, (N,); None: every map is a group of its own.
    """

    base: Tensor
    start: Tensor
    refined: Tensor
    masks: Tensor
    fold: int = 0
    groups: Sequence[object] | None = None

    def rows(self, which: slice) -> RefinedBatch:
        """Some of these maps."""
        groups = None if self.groups is None else self.groups[which]
        maps = self.base[which], self.start[which], self.refined[which]
        return RefinedBatch(*maps, self.masks[which], self.fold, groups)


class Candidate(NamedTuple):
    """A correction and its iou_micro on held-out maps, on which nothing of it was tuned."""

    correction: Correction
    iou: float


def choose(base: Candidate, free: list[Candidate], corrections: list[Candidate]) -> Selection:
    """Select among candidates; those listed first win ties.

    Args:
        base: the base model as it is.
        free: candidates that need no training. The best of them counts if it gains `MIN_GAIN` over the base model.
        corrections: shares of the refiner's correction. The best of them counts if it gains `MIN_GAIN` over the best of
            the others.
    """
    best_free = max(free, key=_iou_of)
    best_free = best_free if best_free.iou >= base.iou + MIN_GAIN else base
    best = max(corrections, key=_iou_of)
    chosen = best if best.iou >= best_free.iou + MIN_GAIN else best_free
    return Selection(chosen.correction, base.iou, chosen.iou, best_free.iou)


class CorrectionTuner:
    """Selects a correction by `iou_micro` over a set of maps: `update` for every batch, then `best`.

    A shift (a tuned threshold) is evaluated on folds that were not used to select it; RankSEG has nothing to tune. Both
    count only if they gain `MIN_GAIN` over the same candidate at 0.5.

    Args:
        folds: number of folds that the maps are assigned to; with one fold the tuner tries no shifts.
    """

    def __init__(self, folds: int = 1) -> None:
        # Pixel counts by fold, candidate, truth (background, foreground), and number of -SHIFTS below the logit.
        self._counts = np.zeros((folds, len(CANDIDATES), 2, BINS), np.int64)
        # Foreground pixels of RankSEG's masks, by candidate and truth.
        self._rankseg = np.zeros((len(CANDIDATES), 2), np.int64)

    def update(self, batch: RefinedBatch) -> None:
        """Count a batch; its groups are not used here."""
        masks = batch.masks
        truths = [(masks == value).flatten(1) for value in (0, 1)]
        rows = torch.where(masks == IGNORE, 2, (masks == 1).int()).flatten(1)  # the third row is not used
        maps = batch.base.float(), batch.start.float(), batch.refined.float()
        for number, correction in enumerate(CANDIDATES):
            blended = correction.blend(*maps)
            logits = blended.flatten(1)
            found = torch.bincount((rows * BINS + bounds_below(logits)).flatten(), minlength=3 * BINS)
            self._counts[batch.fold, number] += found.view(3, BINS)[:2].numpy()
            foreground = logits + shift_of_ranked(ranked_on_cpu(blended)).flatten(1) > 0
            self._rankseg[number] += [int((foreground & truth).sum()) for truth in truths]

    def best(self) -> Selection:
        """The selected correction; see `choose`.

        Raises:
            UserError: no map was counted.
        """
        return choose(*self.candidates())

    def candidates(self) -> tuple[Candidate, list[Candidate], list[Candidate]]:
        """The base model as it is, candidates that need no training, and shares of the correction, each at its best.

        Raises:
            UserError: no map was counted.
        """
        if not self._counts.any():
            raise UserError("no map was counted, so no correction can be selected; update the tuner first")
        # Column i: pixels that are foreground under SHIFTS[i].
        foreground = self._counts[..., ::-1].cumsum(axis=-1)[..., ::-1][..., 1:][..., ::-1]
        intersection = foreground[:, :, 1]
        union = self._counts[:, :, 1].sum(-1, keepdims=True) + foreground[:, :, 0]
        ranked = self._rankseg[:, 1] / np.maximum(self._counts[:, :, 1].sum((0, 2)) + self._rankseg[:, 0], 1)
        found = []
        for number, correction in enumerate(CANDIDATES):
            at_half = float(_iou(intersection[:, number], union[:, number])[NO_SHIFT])
            shift, tuned = self._best_shift(intersection[:, number], union[:, number])
            rules = [
                Candidate(correction, at_half),
                Candidate(correction._replace(shift=float(SHIFTS[shift])), tuned),
                Candidate(correction._replace(rankseg=1.0), float(ranked[number])),
            ]
            found.append(max((rules[0], *(one for one in rules if one.iou >= at_half + MIN_GAIN)), key=_iou_of))
        base = float(_iou(intersection[:, 0], union[:, 0])[NO_SHIFT])
        return Candidate(UNCHANGED, base), found[:2], found[2:]

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


def bounds_below(logits: Tensor) -> Tensor:
    """Number of -`SHIFTS` below each logit, int32: finite float32 of any shape.

    Computed, which is faster than a search: multiplication by the power of two `STEPS` is exact.
    """
    return (logits * STEPS).ceil_().add_(NO_SHIFT).clamp_(0, len(SHIFTS)).int()


def _iou_of(candidate: Candidate) -> float:
    return candidate.iou


def _iou(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    return intersection.sum(0) / np.maximum(union.sum(0), 1)


def _index_of_best(intersection: np.ndarray, union: np.ndarray) -> int:
    """Index of the best shift; among equally good ones the smallest in magnitude."""
    iou = _iou(intersection, union)
    winners = np.flatnonzero(iou == iou.max())
    return int(winners[np.abs(winners - NO_SHIFT).argmin()])
