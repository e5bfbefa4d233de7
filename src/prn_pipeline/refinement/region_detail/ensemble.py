"""Several small refiners, each of which leaves out one part of the maps, and how far to trust them together."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prn_pipeline.refinement.region_detail.correction_strength import Correction, Selection
from prn_pipeline.refinement.region_detail.inputs import starting_logits
from prn_pipeline.refinement.region_detail.model import CorrectedMaps, RegionDetailNet
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

#: Fold of maps that every member learns from, because none is judged by them.
EVERY_MEMBER = -1


class FoldEnsemble(nn.Module):
    """The mean of its members' corrections, as far as it is trusted.

    Member k never learns from maps of fold k, so what it says of them is what it would say of new ones. From these
    out-of-fold maps it is decided how far to trust all of them together (`trust_tuning`).

    Args:
        settings: of every member, and how many there are.
    """

    trusted: Tensor
    out_of_fold_iou: Tensor

    def __init__(self, settings: RegionDetailSettings) -> None:
        super().__init__()
        self.settings = settings
        self.members = nn.ModuleList(RegionDetailNet(settings) for _ in range(settings.members))
        self.register_buffer("trusted", torch.tensor(Correction(1.0, 1.0)))
        self.register_buffer("out_of_fold_iou", torch.full((2,), torch.nan))  # base model, refined

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the stored arrays to give to `forward`, in order."""
        return self.settings.arrays

    def forward(self, base_logits: Tensor, *readings: Tensor) -> Tensor:
        """Base logits (N,1,H,W) and the readings of `RegionDetailNet.forward` -> refined logits (N,1,H,W)."""
        return self.trusting(self.trust, base_logits, *readings)

    def trusting(self, trust: Correction, base_logits: Tensor, *readings: Tensor) -> Tensor:
        """`forward` as if the members were trusted so far."""
        base, start = base_logits.float(), self.start(base_logits, *readings)
        if not trust.strength:
            return trust.blend(base, start, start)
        refined = torch.stack([member(base_logits, *readings) for member in self.members]).mean(0)
        return trust.blend(base, start, refined)

    def start(self, base_logits: Tensor, *readings: Tensor) -> Tensor:
        """What the corrections are added to, float32 (N,1,H,W)."""
        return starting_logits(base_logits, dict(zip(self.arrays[1:], readings, strict=True)))

    @property
    def trust(self) -> Correction:
        """How far the members are trusted."""
        return Correction(*self.trusted.tolist())

    @property
    def guard(self) -> dict[str, float]:
        """The selection made out of fold: start, strength, shift (see `Correction`), and iou_micro before and after."""
        before, after = self.out_of_fold_iou.tolist()
        return {**self.trust._asdict(), "out_of_fold_base": before, "out_of_fold_refined": after}

    def accept(self, judgement: Selection) -> None:
        """Correction the members so far from now on, and remember what that is worth out of fold."""
        self.trusted.copy_(torch.tensor(judgement.trust))
        self.out_of_fold_iou.copy_(torch.tensor([judgement.base_iou, judgement.refined_iou]))

    def out_of_fold(self, folds: Tensor, base_logits: Tensor, *readings: Tensor) -> CorrectedMaps:
        """Each map refined by the one member that has not learned from it.

        Args:
            folds: int (N,), from 0 to members - 1.
            base_logits: (N,1,H,W); the readings follow.

        Returns:
            Logits, each float32 (N,1,H,W).
        """
        refined = CorrectedMaps(*(torch.empty_like(base_logits, dtype=torch.float32) for _ in CorrectedMaps._fields))
        for fold in folds.unique().tolist():
            rows = folds == fold
            corrected = self.member(fold).branches(base_logits[rows], *(reading[rows] for reading in readings))
            for whole, part in zip(refined, corrected, strict=True):
                whole[rows] = part.float()
        return refined

    def member(self, number: int) -> RegionDetailNet:
        """One of the members."""
        member = self.members[number]
        assert isinstance(member, RegionDetailNet)
        return member
