"""The ensemble and the selection of its correction."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.region_detail.correction_strength import (
    CANDIDATES,
    MIN_GAIN,
    SHIFTS,
    Correction,
    CorrectionTuner,
    Selection,
)
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.objective import _in_order
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings

Stage = tuple[list[torch.Tensor], torch.Tensor]
SMALL = RegionDetailSettings(network="region_detail", detail_width=4, detail_levels=2, region_size=8, members=3)


def random_ensemble(**changes: object) -> FoldEnsemble:
    """An ensemble with random weights, so that its members disagree."""
    torch.manual_seed(0)
    ensemble = FoldEnsemble(SMALL.model_copy(update=changes)).eval()
    for parameter in ensemble.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return ensemble


def test_each_map_is_refined_by_the_member_of_its_fold() -> None:
    ensemble, maps, folds = random_ensemble(), torch.randn(5, 1, 16, 16), torch.tensor([2, 0, 1, 2, 0])
    with torch.no_grad():
        found = _in_order(ensemble(maps, folds=folds.tolist())).final
        assert found.shape == maps.shape
        for row, fold in enumerate(folds.tolist()):
            torch.testing.assert_close(found[row : row + 1], ensemble.members[fold](maps[row : row + 1]).final)


def test_at_full_strength_the_ensemble_is_the_mean_of_its_members() -> None:
    ensemble, maps = random_ensemble(), torch.randn(2, 1, 16, 16)
    with torch.no_grad():
        mean = sum(member(maps).final for member in ensemble.members) / 3
        torch.testing.assert_close(ensemble(maps), mean)


@pytest.mark.parametrize("correction", CANDIDATES)
def test_the_correction_blends_base_starting_and_refined_logits(correction: Correction) -> None:
    ensemble = random_ensemble(inputs=("tta",))
    base, tta = torch.randn(2, 1, 16, 16), torch.randn(2, 2, 16, 16)
    with torch.no_grad():
        refined = ensemble(base, tta)
        ensemble.select(Selection(correction, 0.5, 0.6))
        found = ensemble(base, tta)
    start = tta[:, :1]
    expected = start + correction.strength * (refined - start) if correction.start else base
    torch.testing.assert_close(found, expected)
    assert correction.start or torch.equal(found, base), "the unchanged base logits are equal to the last bit"
    assert ensemble.correction == correction
    assert ensemble.out_of_fold_iou.tolist() == pytest.approx([0.5, 0.6])


@pytest.mark.parametrize("correction", [Correction(0.0, 0.0, -0.5), Correction(1.0, 0.5, 1.25)])
def test_a_shift_is_added_after_blending(correction: Correction) -> None:
    base, start, refined = (torch.randn(1, 1, 4, 4) for _ in range(3))
    without = correction._replace(shift=0.0).blend(base, start, refined)
    torch.testing.assert_close(correction.blend(base, start, refined), without + correction.shift)
    assert not correction.changes_nothing


def test_the_correction_is_stored_with_the_weights() -> None:
    ensemble, other = random_ensemble(), FoldEnsemble(SMALL)
    ensemble.select(Selection(Correction(1.0, 0.25, -0.125), 0.1, 0.2))
    other.load_state_dict(ensemble.state_dict())
    assert other.correction == Correction(1.0, 0.25, -0.125)


def plain_iou(batches: list[Stage], correction: Correction) -> float:
    """iou_micro under a correction, computed pixel by pixel."""
    intersection = union = 0
    for (base, start, refined), masks in batches:
        blended = start + correction.strength * (refined - start) if correction.start else base
        final = (blended + correction.shift)[:, 0].numpy() > 0
        truth, valid = masks.numpy() == 1, masks.numpy() != 255
        intersection += np.count_nonzero(final & truth)
        union += np.count_nonzero((final | truth) & valid)
    return intersection / max(union, 1)


def best_shift(batches: list[Stage], correction: Correction) -> float:
    """The smallest shift among the best ones, by exhaustive search."""
    shifts = sorted(map(float, SHIFTS), key=lambda shift: (abs(shift), shift))
    return max(shifts, key=lambda shift: plain_iou(batches, correction._replace(shift=shift)))


def noise(generator: torch.Generator, bias: float = 0.0) -> Stage:
    maps = [torch.randn(2, 1, 8, 8, generator=generator) + bias for _ in range(3)]
    masks = torch.randint(0, 3, (2, 8, 8), generator=generator, dtype=torch.uint8)
    masks[masks == 2] = 255
    return maps, masks


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_the_selected_correction_is_the_best_of_an_exhaustive_search(seed: int, count: int) -> None:
    generator, tuner = torch.Generator().manual_seed(seed), CorrectionTuner()
    batches = [noise(generator) for _ in range(count)]
    for maps, masks in batches:
        tuner.update(*maps, masks)
    scores = [plain_iou(batches, correction) for correction in CANDIDATES]
    selection = tuner.best()
    assert selection.refined_iou == pytest.approx(max(scores))
    assert selection.base_iou == pytest.approx(scores[0])
    assert plain_iou(batches, selection.correction) == pytest.approx(max(scores))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.floats(-3, 3))
def test_a_shift_is_selected_by_cross_validation_over_folds(seed: int, bias: float) -> None:
    generator, tuner = torch.Generator().manual_seed(seed), CorrectionTuner(folds=3)
    folds = [[noise(generator, bias)] for _ in range(3)]
    for fold, batches in enumerate(folds):
        for maps, masks in batches:
            tuner.update(*maps, masks, fold)
    everything = [part for batches in folds for part in batches]
    expected = []
    for correction in CANDIDATES:
        counted = np.zeros(2)
        for left_out, batches in enumerate(folds):
            rest = [part for fold, others in enumerate(folds) if fold != left_out for part in others]
            shifted = correction._replace(shift=best_shift(rest, correction))
            for (base, start, refined), masks in batches:
                final = shifted.blend(base, start, refined)[:, 0].numpy() > 0
                truth, valid = masks.numpy() == 1, masks.numpy() != 255
                counted += np.count_nonzero(final & truth), np.count_nonzero((final | truth) & valid)
        plain, cross_validated = plain_iou(everything, correction), counted[0] / max(counted[1], 1)
        expected.append(cross_validated if cross_validated >= plain + MIN_GAIN else plain)
    selection = tuner.best()
    assert selection.refined_iou == pytest.approx(max(expected))
    number = CANDIDATES.index(selection.correction._replace(shift=0.0))
    assert expected[number] == pytest.approx(max(expected))
    if selection.correction.shift:
        assert selection.correction.shift == best_shift(everything, CANDIDATES[number])


def test_maps_that_are_too_low_everywhere_get_a_positive_shift() -> None:
    truth = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.5
    low = truth * 2.0 - 3.0  # -1 where it should be above 0, -3 elsewhere
    tuner = CorrectionTuner(folds=3)
    for fold in range(3):
        rows = slice(2 * fold, 2 * fold + 2)
        tuner.update(low[rows], low[rows], low[rows], truth[rows, 0].to(torch.uint8), fold)
    selection = tuner.best()
    assert (selection.base_iou, selection.refined_iou) == (0.0, 1.0)
    assert selection.correction == Correction(0.0, 0.0, 1.125)


def test_a_correction_without_gain_is_not_applied() -> None:
    tuner = CorrectionTuner()
    base = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, None]
    tuner.update(base, base, -base, (base[:, 0] > 0).to(torch.uint8))
    assert tuner.best() == Selection(Correction(0.0, 0.0), 1.0, 1.0)
    with pytest.raises(UserError, match="no correction can be selected"):
        CorrectionTuner().best()


def test_forward_hooks_of_members_run_in_training_and_inference() -> None:
    ensemble, maps = random_ensemble(), torch.randn(4, 1, 16, 16)
    seen: list[int] = []
    for member in ensemble.members:
        member.register_forward_hook(lambda *_: seen.append(1))
    ensemble.eval()(maps)
    assert len(seen) == 3
    ensemble.train()(maps, folds=[0, 1, 2, 0])
    assert len(seen) == 6


def test_a_forward_pass_reads_no_tensor_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the correction from a tensor would synchronise with the GPU."""
    ensemble = random_ensemble()
    ensemble.select(Selection(Correction(1.0, 0.5, 0.25), 0.5, 0.6))
    calls: list[str] = []
    for name in ("tolist", "item"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, name=name: calls.append(name))
    with torch.no_grad():
        ensemble(torch.randn(1, 1, 16, 16))
    assert not calls
