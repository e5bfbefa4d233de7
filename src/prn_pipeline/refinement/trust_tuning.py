"""How far to trust a refiner, decided on maps that it has not learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.validation import IGNORE

#: Shares of the correction: 0 is what it is added to, 1 is the refiner's own word.
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


class Trust(NamedTuple):
    """What is made of base logits, starting logits and refined logits.

    Attributes:
        start: 1: the correction is added to the starting logits; 0: nothing is, the base model stays as it is.
        strength: share of the correction that is added, one of `STRENGTHS`.
    """

    start: float
    strength: float

    def blend(self, base: Tensor, start: Tensor, refined: Tensor) -> Tensor:
        """The final logits, float32, of the shape of all three."""
        return torch.lerp(start, refined, self.strength) if self.start else base


#: The untouched base model first: it wins a draw.
CANDIDATES = (Trust(0.0, 0.0), *(Trust(1.0, strength) for strength in STRENGTHS))


class Judgement(NamedTuple):
    """The choice, and the iou_micro of the base model and of the refiner under it, on the same maps."""

    trust: Trust
    base_iou: float
    refined_iou: float


class TrustTuner:
    """The choice with the best `iou_micro` over a set of maps: `update` for every batch, then `best`.

    The guard of the method: where nothing gains, the base model stays as it is.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((len(CANDIDATES), 2), np.int64)  # intersection and union

    def update(self, base: Tensor, start: Tensor, refined: Tensor, masks: Tensor) -> None:
        """Count a batch.

        Args:
            base: base logits (N,1,H,W).
            start: what the correction was added to (N,1,H,W).
            refined: out-of-fold refined logits (N,1,H,W).
            masks: (N,H,W) of 0, 1, 255 = ignore.
        """
        truth, valid = (masks == 1).unsqueeze(1), (masks != IGNORE).unsqueeze(1)
        maps = base.float(), start.float(), refined.float()
        for row, trust in zip(self._counts, CANDIDATES, strict=True):
            predicted = trust.blend(*maps) > 0
            row += [int((predicted & truth).sum()), int(((predicted | truth) & valid).sum())]

    def best(self) -> Judgement:
        """The best candidate; of equally good ones the first, which trusts least.

        Raises:
            UserError: nothing was counted.
        """
        if not self._counts.any():
            raise UserError("no map was counted, so there is nothing to choose by; update the tuner first")
        iou = self._counts[:, 0] / np.maximum(self._counts[:, 1], 1)
        winner = int(iou.argmax())
        return Judgement(CANDIDATES[winner], float(iou[0]), float(iou[winner]))
