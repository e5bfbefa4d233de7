"""Corrections that the guard can select: how base, starting and refined logits become the final logits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.refinement.baselines.expected_iou import expected_iou_shift

#: Shares of the refiner's correction to choose from; 1 is the full correction.
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
#: Shifts of all logits to choose from, in eighths: thresholds from 0.001 to 0.999 instead of 0.5, for the whole set.
STEPS = 8
SHIFTS = np.arange(-7 * STEPS, 7 * STEPS + 1, dtype=np.float32) / STEPS
NO_SHIFT = len(SHIFTS) // 2


class Correction(NamedTuple):
    """How base, starting and refined logits are combined into the final logits.

    Attributes:
        start: 1 corrects the starting logits (the mean over TTA or models where it is an input); 0 keeps the base
            model's logits.
        strength: share of the refiner's correction that is applied: 0 or one of `STRENGTHS`.
        shift: added to every logit, one of `SHIFTS`: a tuned threshold.
        rankseg: 1 adds the shift to each map that has the highest expected IoU (RankSEG); 0 does not.
    """

    start: float
    strength: float
    shift: float = 0.0
    rankseg: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether the final logits equal the base model's logits, to the last bit."""
        return not (self.start or self.shift or self.rankseg)

    @property
    def sees_whole_maps(self) -> bool:
        """Whether the result depends on whole maps, so that tiles would change it."""
        return bool(self.rankseg)

    def blend(self, base: Tensor, start: Tensor, refined: Tensor) -> Tensor:
        """The final logits, float32, of the common shape (N,1,H,W) of all three."""
        blended = torch.lerp(start, refined, self.strength) if self.start else base
        if self.rankseg:
            blended = blended + expected_iou_shift(blended)
        return blended + self.shift if self.shift else blended


#: The base model as it is.
UNCHANGED = Correction(0.0, 0.0)
#: The mean over TTA or over several models as it is, where it is an input.
STARTING = Correction(1.0, 0.0)
#: RankSEG on the base model's maps.
RANKSEG = Correction(0.0, 0.0, rankseg=1.0)
#: Shares of the refiner's correction.
CORRECTIONS = tuple(Correction(1.0, strength) for strength in STRENGTHS)
#: Candidates, each of which is also tried with every shift and with RankSEG: those that need no training first.
CANDIDATES = (UNCHANGED, STARTING, *CORRECTIONS)
