"""An ensemble of small networks that each leave out one fold of the maps, and the selected correction strength."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from prn_pipeline.data.store.map_manifest import learning_rows
from prn_pipeline.refinement.fold_assignment import assign_map_folds
from prn_pipeline.refinement.protocol import HeldOut, LearningMaps, Refiner
from prn_pipeline.refinement.region_detail.correction import Correction
from prn_pipeline.refinement.region_detail.correction_strength import Selection
from prn_pipeline.refinement.region_detail.inputs import starting_logits
from prn_pipeline.refinement.region_detail.model import CorrectedMaps, RegionDetailNet

#: Pseudo-fold of maps that every member learns from, because no member is evaluated on them.
EVERY_MEMBER = -1


class MemberMaps(NamedTuple):
    """Corrections of some maps of a batch by one member.

    Attributes:
        rows: indices of the maps in the batch, int64 (n,).
        corrected: logits, each float32 (n,1,H,W).
    """

    rows: Tensor
    corrected: CorrectedMaps


class FoldEnsemble(Refiner):
    """The mean of the members' corrections, applied at the selected strength, or what else the guard selected.

    Member k never learns from maps of fold k, so its predictions on them are as good as its predictions on new maps.
    These out-of-fold predictions select the correction (`correction_strength`).

    Args:
        settings: settings of every member, and the number of members.
        member: makes an untrained member, a module from maps to `CorrectedMaps`; None: `RegionDetailNet`.
    """

    selected: Tensor
    selected_rankseg: Tensor
    out_of_fold_iou: Tensor
    out_of_fold_free_iou: Tensor

    def __init__(self, settings: Any, member: Callable[[], nn.Module] | None = None) -> None:
        super().__init__()
        self.settings = settings
        build = member or partial(RegionDetailNet, settings)
        self.members = nn.ModuleList(build() for _ in range(settings.members))
        self.correction = Correction(1.0, 1.0)
        self.register_buffer("selected", torch.tensor(self.correction[:3]))  # start, strength, shift
        self.register_buffer("selected_rankseg", torch.tensor(self.correction.rankseg))
        self.register_buffer("out_of_fold_iou", torch.full((2,), torch.nan))  # base model, refined
        self.register_buffer("out_of_fold_free_iou", torch.tensor(torch.nan))
        self.register_load_state_dict_pre_hook(_fill_newer_buffers)
        self.register_load_state_dict_post_hook(_read_correction)

    def forward(self, base_logits: Tensor, *inputs: Tensor, folds: list[int] | None = None) -> Any:
        """Refined logits; with folds, the corrections of each member.

        Args:
            base_logits: float (N,1,H,W).
            inputs: as in `RegionDetailNet.forward`.
            folds: fold of each map, or `EVERY_MEMBER`. In training mode a member gets the maps of all folds but its
                own, provided that there are at least two (batch norm learns nothing from one map). In eval mode it
                gets the maps of its own fold, which it has not learned from.

        Returns:
            Refined logits float32 (N,1,H,W); with folds a list of `MemberMaps`, without members that get no maps.
        """
        if folds is not None:
            return self._by_member(folds, base_logits, *inputs)
        base, start = base_logits.float(), self.start(base_logits, *inputs)
        if not self.correction.strength:
            return self.correction.blend(base, start, start)
        return self.correction.blend(base, start, self.refined(base_logits, *inputs))

    def refined(self, base_logits: Tensor, *inputs: Tensor) -> Tensor:
        """The mean of the members' corrected logits, float32 (N,1,H,W), before the guard's choice."""
        return torch.stack([member(base_logits, *inputs).final for member in self.members]).mean(0)

    def _by_member(self, folds: list[int], *maps: Tensor) -> list[MemberMaps]:
        found = []
        for number, member in enumerate(self.members):
            chosen = [row for row, fold in enumerate(folds) if (fold == number) is not self.training]
            if len(chosen) > self.training:
                rows = torch.tensor(chosen, device=maps[0].device)
                found.append(MemberMaps(rows, member(*(stack[rows] for stack in maps))))
        return found

    def start(self, base_logits: Tensor, *inputs: Tensor) -> Tensor:
        """The logits that corrections are added to, float32 (N,1,H,W)."""
        return starting_logits(base_logits, dict(zip(self.arrays[1:], inputs, strict=True)))

    @property
    def guard(self) -> dict[str, float]:
        """The selected correction (see `Correction`), and out-of-fold iou_micro of three stages of it.

        `several_maps` or `tta_scales` is there, and 1, where the correction starts at the mean of several models' maps
        or over several scales.

        They are those of the base model, of the best candidate that needs no training (NaN if an earlier version
        selected), and under the correction.
        """
        before, after = self.out_of_fold_iou.tolist()
        free = self.out_of_fold_free_iou.item()
        return {
            **self.correction._asdict(),
            **{name: 1.0 for name in ("several_maps", "tta_scales") if name in self.settings.inputs},
            "out_of_fold_base": before,
            **({"out_of_fold_free": free} if math.isfinite(free) else {}),
            "out_of_fold_refined": after,
        }

    def held_out(self, maps: LearningMaps) -> Iterator[HeldOut]:
        """The maps of each fold, and the one member that has not learned from them, under the guard's choice."""
        rows = learning_rows(maps.map_manifest)
        folds = assign_map_folds(maps.samples.manifest.iloc[rows], len(self.members))
        for fold in range(len(self.members)):
            yield HeldOut(rows[folds == fold], OneMember(self, fold))

    @property
    def sees_whole_maps(self) -> bool:
        """See `Refiner.sees_whole_maps`: a threshold for each map depends on the whole map."""
        return bool(self.settings.sees_whole_maps or self.correction.sees_whole_maps)

    def select(self, selection: Selection) -> None:
        """Apply this correction from now on, and store its out-of-fold iou_micro."""
        self.correction = selection.correction
        self.selected.copy_(torch.tensor(selection.correction[:3]))
        self.selected_rankseg.fill_(selection.correction.rankseg)
        self.out_of_fold_iou.copy_(torch.tensor([selection.base_iou, selection.refined_iou]))
        self.out_of_fold_free_iou.fill_(selection.free_iou)


class OneMember(nn.Module):
    """One member of an ensemble in place of their mean.

    Args:
        ensemble: with the guard's choice.
        number: of the member.
    """

    def __init__(self, ensemble: FoldEnsemble, number: int) -> None:
        super().__init__()
        self.ensemble, self.number = ensemble, number
        self.arrays, self.sees_whole_maps = ensemble.arrays, ensemble.sees_whole_maps

    def forward(self, base_logits: Tensor, *inputs: Tensor) -> Tensor:
        """As `FoldEnsemble.forward`: logits float32 (N,1,H,W)."""
        start = self.ensemble.start(base_logits, *inputs)
        refined = self.ensemble.members[self.number](base_logits, *inputs).final
        return self.ensemble.correction.blend(base_logits.float(), start, refined)


def _fill_newer_buffers(ensemble: nn.Module, state: dict[str, Any], prefix: str, *_: object, **__: object) -> None:
    """Weights of earlier versions lack buffers that were added later: they keep their initial values."""
    for name in ("selected_rankseg", "out_of_fold_free_iou"):
        state.setdefault(f"{prefix}{name}", getattr(ensemble, name))


def _read_correction(ensemble: nn.Module, _: object) -> None:
    """Reads the correction once, after weights are loaded: reading it in `forward` would synchronise with the GPU."""
    assert isinstance(ensemble, FoldEnsemble)
    start, strength, shift = ensemble.selected.tolist()
    ensemble.correction = Correction(start, strength, shift, ensemble.selected_rankseg.item())
