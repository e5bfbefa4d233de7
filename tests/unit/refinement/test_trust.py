"""The ensemble, and the decision how far to trust it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.correction_strength import (
    CANDIDATES,
    LEAST_GAIN,
    SHIFTS,
    Correction,
    CorrectionTuner,
    Selection,
)
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

Stage = tuple[list[torch.Tensor], torch.Tensor]
SMALL = RegionDetailSettings(network="region_detail", detail_width=4, detail_levels=2, region_size=8, members=3)


def shaken(**changes: object) -> FoldEnsemble:
    """An ensemble whose members disagree."""
    torch.manual_seed(0)
    ensemble = FoldEnsemble(SMALL.model_copy(update=changes)).eval()
    for parameter in ensemble.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return ensemble


def test_each_map_is_refined_by_the_member_of_its_fold() -> None:
    ensemble, maps, folds = shaken(), torch.randn(5, 1, 16, 16), torch.tensor([2, 0, 1, 2, 0])
    with torch.no_grad():
        found = ensemble.out_of_fold(folds, maps).final
        for row, fold in enumerate(folds.tolist()):
            torch.testing.assert_close(found[row : row + 1], ensemble.members[fold](maps[row : row + 1]))


def test_fully_trusted_it_is_the_mean_of_its_members() -> None:
    ensemble, maps = shaken(), torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        mean = sum(member(maps) for member in ensemble.members) / 3
        torch.testing.assert_close(ensemble(maps), mean)


@pytest.mark.parametrize("trust", CANDIDATES)
def test_trust_decides_between_base_start_and_correction(trust: Correction) -> None:
    ensemble = shaken(inputs=("tta",))
    base, tta = torch.randn(2, 1, 16, 16), torch.randn(2, 2, 16, 16)
    with torch.no_grad():
        refined = ensemble(base, tta)
        ensemble.accept(Selection(trust, 0.5, 0.6))
        found = ensemble(base, tta)
    start = tta[:, :1]
    expected = start + trust.strength * (refined - start) if trust.start else base
    torch.testing.assert_close(found, expected)
    assert trust.start or torch.equal(found, base), "to the last bit"
    assert ensemble.trust == trust
    assert ensemble.out_of_fold_iou.tolist() == pytest.approx([0.5, 0.6])


@pytest.mark.parametrize("trust", [Correction(0.0, 0.0, -0.5), Correction(1.0, 0.5, 1.25)])
def test_a_shift_is_added_in_the_end(trust: Correction) -> None:
    base, start, refined = (torch.randn(1, 1, 4, 4) for _ in range(3))
    without = trust._replace(shift=0.0).blend(base, start, refined)
    torch.testing.assert_close(trust.blend(base, start, refined), without + trust.shift)
    assert not trust.changes_nothing


def test_trust_is_stored_with_the_weights() -> None:
    ensemble, other = shaken(), FoldEnsemble(SMALL)
    ensemble.accept(Selection(Correction(1.0, 0.25, -0.125), 0.1, 0.2))
    other.load_state_dict(ensemble.state_dict())
    assert other.trust == Correction(1.0, 0.25, -0.125)


def plain_iou(parts: list[Stage], trust: Correction) -> float:
    """iou_micro under a choice, pixel by pixel."""
    intersection = union = 0
    for (base, start, refined), masks in parts:
        blended = start + trust.strength * (refined - start) if trust.start else base
        final = (blended + trust.shift)[:, 0].numpy() > 0
        truth, valid = masks.numpy() == 1, masks.numpy() != 255
        intersection += np.count_nonzero(final & truth)
        union += np.count_nonzero((final | truth) & valid)
    return intersection / max(union, 1)


def best_shift(parts: list[Stage], trust: Correction) -> float:
    """The shift nearest to none among the best of a plain search."""
    shifts = sorted(map(float, SHIFTS), key=lambda shift: (abs(shift), shift))
    return max(shifts, key=lambda shift: plain_iou(parts, trust._replace(shift=shift)))


def noise(generator: torch.Generator, bias: float = 0.0) -> Stage:
    maps = [torch.randn(2, 1, 8, 8, generator=generator) + bias for _ in range(3)]
    masks = torch.randint(0, 3, (2, 8, 8), generator=generator, dtype=torch.uint8)
    masks[masks == 2] = 255
    return maps, masks


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_the_choice_is_the_best_of_a_plain_search(seed: int, batches: int) -> None:
    generator, tuner = torch.Generator().manual_seed(seed), CorrectionTuner()
    parts = [noise(generator) for _ in range(batches)]
    for maps, masks in parts:
        tuner.update(*maps, masks)
    scores = [plain_iou(parts, trust) for trust in CANDIDATES]
    judgement = tuner.best()
    assert judgement.refined_iou == pytest.approx(max(scores))
    assert judgement.base_iou == pytest.approx(scores[0])
    assert plain_iou(parts, judgement.trust) == pytest.approx(max(scores))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.floats(-3, 3))
def test_a_shift_is_what_folds_find_for_each_other(seed: int, bias: float) -> None:
    generator, tuner = torch.Generator().manual_seed(seed), CorrectionTuner(folds=3)
    folds = [[noise(generator, bias)] for _ in range(3)]
    for fold, parts in enumerate(folds):
        for maps, masks in parts:
            tuner.update(*maps, masks, fold)
    everything = [part for parts in folds for part in parts]
    expected = []
    for trust in CANDIDATES:
        counted = np.zeros(2)
        for left_out, parts in enumerate(folds):
            rest = [part for fold, others in enumerate(folds) if fold != left_out for part in others]
            shifted = trust._replace(shift=best_shift(rest, trust))
            for (base, start, refined), masks in parts:
                final = shifted.blend(base, start, refined)[:, 0].numpy() > 0
                truth, valid = masks.numpy() == 1, masks.numpy() != 255
                counted += np.count_nonzero(final & truth), np.count_nonzero((final | truth) & valid)
        plain, honest = plain_iou(everything, trust), counted[0] / max(counted[1], 1)
        expected.append(honest if honest >= plain + LEAST_GAIN else plain)
    judgement = tuner.best()
    assert judgement.refined_iou == pytest.approx(max(expected))
    number = CANDIDATES.index(judgement.trust._replace(shift=0.0))
    assert expected[number] == pytest.approx(max(expected))
    if judgement.trust.shift:
        assert judgement.trust.shift == best_shift(everything, CANDIDATES[number])


def test_a_map_that_is_too_low_everywhere_is_lifted() -> None:
    truth = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.5
    low = truth * 2.0 - 3.0  # -1 where it should be above 0, -3 elsewhere
    tuner = CorrectionTuner(folds=3)
    for fold in range(3):
        rows = slice(2 * fold, 2 * fold + 2)
        tuner.update(low[rows], low[rows], low[rows], truth[rows, 0].to(torch.uint8), fold)
    judgement = tuner.best()
    assert (judgement.base_iou, judgement.refined_iou) == (0.0, 1.0)
    assert judgement.trust == Correction(0.0, 0.0, 1.125)


def test_what_gains_nothing_is_not_trusted() -> None:
    tuner = CorrectionTuner()
    base = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, None]
    tuner.update(base, base, -base, (base[:, 0] > 0).to(torch.uint8))
    assert tuner.best() == Selection(Correction(0.0, 0.0), 1.0, 1.0)
    with pytest.raises(UserError, match="nothing to choose by"):
        CorrectionTuner().best()
