"""The ensemble and the selection of its correction."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.baselines.binarization import rankseg_masks
from prn_pipeline.refinement.baselines.expected_iou import expected_iou_shift
from prn_pipeline.refinement.region_detail.correction import CANDIDATES, RANKSEG, SHIFTS, UNCHANGED, Correction
from prn_pipeline.refinement.region_detail.correction_strength import MIN_GAIN, CorrectionTuner, RefinedBatch, Selection
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
        ensemble.select(Selection(correction, 0.5, 0.6, 0.55))
        found = ensemble(base, tta)
    start = tta[:, :1]
    expected = start + correction.strength * (refined - start) if correction.start else base
    torch.testing.assert_close(found, expected)
    assert correction.start or torch.equal(found, base), "the unchanged base logits are equal to the last bit"
    assert ensemble.correction == correction
    assert ensemble.guard["out_of_fold_base"] == pytest.approx(0.5)
    assert ensemble.guard["out_of_fold_free"] == pytest.approx(0.55)
    assert ensemble.guard["out_of_fold_refined"] == pytest.approx(0.6)


@pytest.mark.parametrize("correction", [Correction(0.0, 0.0, -0.5), Correction(1.0, 0.5, 1.25)])
def test_a_shift_is_added_after_blending(correction: Correction) -> None:
    base, start, refined = (torch.randn(1, 1, 4, 4) for _ in range(3))
    without = correction._replace(shift=0.0).blend(base, start, refined)
    torch.testing.assert_close(correction.blend(base, start, refined), without + correction.shift)
    assert not correction.changes_nothing


def test_the_correction_is_stored_with_the_weights() -> None:
    ensemble, other = random_ensemble(), FoldEnsemble(SMALL)
    for correction in (Correction(1.0, 0.25, -0.125), RANKSEG):
        ensemble.select(Selection(correction, 0.1, 0.2, 0.15))
        other.load_state_dict(ensemble.state_dict())
        assert other.correction == correction
        assert other.guard == ensemble.guard


def test_weights_of_earlier_versions_load() -> None:
    ensemble, other = random_ensemble(), FoldEnsemble(SMALL)
    ensemble.select(Selection(Correction(1.0, 0.75, 0.5), 0.1, 0.2, 0.15))
    old = ensemble.state_dict()
    del old["selected_rankseg"], old["out_of_fold_free_iou"]
    other.load_state_dict(old)
    assert other.correction == Correction(1.0, 0.75, 0.5)
    assert "out_of_fold_free" not in other.guard
    with pytest.raises(RuntimeError, match="selected"):
        other.load_state_dict({name: value for name, value in old.items() if name != "selected"})


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


def noise(generator: torch.Generator, bias: float = 0.0, learned: float = 0.0) -> Stage:
    """Random maps and masks; the third map knows the truth by as much as `learned`."""
    maps = [torch.randn(2, 1, 8, 8, generator=generator) + bias for _ in range(3)]
    masks = torch.randint(0, 3, (2, 8, 8), generator=generator, dtype=torch.uint8)
    maps[2] = maps[2] + learned * ((masks == 1).float() - 0.5)[:, None]
    masks[masks == 2] = 255
    return maps, masks


def plain_rankseg_iou(batches: list[Stage], correction: Correction = UNCHANGED) -> float:
    """iou_micro of RankSEG's masks, which are those of its authors' library but for ties in float32 (see below)."""
    intersection = union = 0
    for maps, masks in batches:
        blended = correction.blend(*maps)
        final = (blended + expected_iou_shift(blended))[:, 0].numpy() > 0
        truth, valid = masks.numpy() == 1, masks.numpy() != 255
        intersection += np.count_nonzero(final & truth)
        union += np.count_nonzero((final | truth) & valid)
    return intersection / max(union, 1)


def best_rule(at_half: float, *others: float) -> float:
    """The score of the best rule for a candidate's maps: another one than 0.5 has to gain."""
    return max([at_half, *(other for other in others if other >= at_half + MIN_GAIN)])


def plain_choice(base: float, free: list[float], corrections: list[float]) -> float:
    """The score of the candidate that the guard has to choose."""
    best_free = max(free) if max(free) >= base + MIN_GAIN else base
    return max(corrections) if max(corrections) >= best_free + MIN_GAIN else best_free


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**31), st.integers(1, 3), st.floats(0, 4))
@example(199, 1, 0.0)  # two masks of RankSEG that are equally good in float32
def test_the_selected_correction_is_the_best_of_an_exhaustive_search(seed: int, count: int, learned: float) -> None:
    generator, tuner = torch.Generator().manual_seed(seed), CorrectionTuner()
    batches = [noise(generator, learned=learned) for _ in range(count)]
    for maps, masks in batches:
        tuner.update(RefinedBatch(*maps, masks))
    base = plain_iou(batches, UNCHANGED)
    scores = [best_rule(plain_iou(batches, one), plain_rankseg_iou(batches, one)) for one in CANDIDATES]
    free, corrections = scores[:2], scores[2:]
    selection = tuner.best()
    assert selection.base_iou == pytest.approx(base)
    assert selection.free_iou == pytest.approx(plain_choice(base, free, [0.0]))
    assert selection.refined_iou == pytest.approx(plain_choice(base, free, corrections))
    if selection.correction.rankseg:
        unranked = selection.correction._replace(rankseg=0.0)
        assert plain_rankseg_iou(batches, unranked) == pytest.approx(selection.refined_iou)
    else:
        assert plain_iou(batches, selection.correction) == pytest.approx(selection.refined_iou)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.floats(-3, 3), st.floats(0, 4))
def test_a_shift_is_selected_by_cross_validation_over_folds(seed: int, bias: float, learned: float) -> None:
    generator, tuner = torch.Generator().manual_seed(seed), CorrectionTuner(folds=3)
    folds = [[noise(generator, bias, learned)] for _ in range(3)]
    for fold, batches in enumerate(folds):
        for maps, masks in batches:
            tuner.update(RefinedBatch(*maps, masks, fold))
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
        expected.append(best_rule(plain, cross_validated, plain_rankseg_iou(everything, correction)))
    selection = tuner.best()
    wanted = plain_choice(plain_iou(everything, UNCHANGED), expected[:2], expected[2:])
    assert selection.refined_iou == pytest.approx(wanted)
    if selection.correction.shift:
        unshifted = selection.correction._replace(shift=0.0)
        assert expected[CANDIDATES.index(unshifted)] == pytest.approx(wanted)
        assert selection.correction.shift == best_shift(everything, unshifted)


def selected(base: torch.Tensor, start: torch.Tensor, refined: torch.Tensor, truth: torch.Tensor) -> Selection:
    """The selection over three folds of two maps each; all (6,1,H,W)."""
    tuner = CorrectionTuner(folds=3)
    for fold in range(3):
        rows = slice(2 * fold, 2 * fold + 2)
        tuner.update(RefinedBatch(base[rows], start[rows], refined[rows], truth[rows, 0].to(torch.uint8), fold))
    return tuner.best()


def test_a_correction_that_a_threshold_equals_gives_way_to_the_threshold() -> None:
    """As on the maps of a good vessel network: too low by a constant, and the refiner learns no more than that."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(6, 1, 16, 16, generator=generator) > 0.5
    low = truth * 2.0 - 3.0 + 0.3 * torch.randn(truth.shape, generator=generator)
    found = selected(low, low, low + 2, truth)
    assert (found.correction.start, found.correction.strength) == (0, 0)
    assert found.correction.shift > 0.5
    assert found.refined_iou == found.free_iou > found.base_iou + 0.1


def test_a_correction_that_gains_more_than_a_threshold_is_applied() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(6, 1, 16, 16, generator=generator) > 0.5
    blurred = truth * 2.0 - 2.0 + 1.5 * torch.randn(truth.shape, generator=generator)
    found = selected(blurred, blurred, truth * 8.0 - 4.0, truth)
    assert found.correction.strength > 0
    assert found.refined_iou == 1 > found.free_iou + MIN_GAIN
    assert found.free_iou > found.base_iou + MIN_GAIN, "the threshold is a candidate here, too"


def test_tta_is_applied_alone_where_the_networks_add_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(6, 1, 16, 16, generator=generator) > 0.5
    base = truth * 4.0 - 2.0 + 2 * torch.randn(truth.shape, generator=generator)
    mean = truth * 4.0 - 2.0 + torch.randn(truth.shape, generator=generator)
    found = selected(base, mean, mean, truth)
    assert (found.correction.start, found.correction.strength) == (1, 0)


def test_rankseg_is_applied_where_each_map_needs_its_own_threshold() -> None:
    """A sure network on some maps and a hesitant one on others: a threshold that suits one kind ruins the other."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(6, 1, 32, 32, generator=generator) > torch.tensor([0.5, 0.8] * 3)[:, None, None, None]
    probability = torch.where(truth, 0.97, 0.38)
    probability[1::2] = torch.where(truth[1::2], 0.2, 0.02)
    probability[1::2, :, 0, 0] = 0.55  # without a pixel above one half RankSEG leaves a map empty
    base = probability.logit()
    found = selected(base, base, base, truth)
    assert found.correction == RANKSEG
    assert found.free_iou == pytest.approx(plain_rankseg_iou([([base] * 3, truth[:, 0].to(torch.uint8))]))


@pytest.mark.parametrize("gain", [0.5, 1.5])
def test_every_candidate_needs_the_same_least_gain(gain: float) -> None:
    """A correction that flips a few pixels for the better counts from MIN_GAIN on."""
    truth = torch.zeros(6, 1, 100, 100, dtype=torch.bool)
    truth[:, :, :50] = True
    base = torch.where(truth, 2.0, -2.0)
    base[:, :, :5] = -2.0  # IoU 0.9
    flipped = round(gain * MIN_GAIN * 50 * 100)
    refined = base.clone()
    refined[:, :, 0, :flipped] = 2.0
    assert selected(base, base, refined, truth).correction.changes_nothing is (gain < 1)
    assert selected(base, refined, refined, truth).correction.changes_nothing is (gain < 1), "TTA as well"


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.floats(-4, 4), st.floats(0.1, 5))
def test_the_shift_of_highest_expected_iou_gives_the_masks_of_rankseg(seed: int, mean: float, spread: float) -> None:
    logits = mean + spread * torch.randn(3, 1, 24, 24, generator=torch.Generator().manual_seed(seed))
    found = logits + expected_iou_shift(logits) > 0
    expected = rankseg_masks(logits[:, 0].sigmoid()) > 0
    assert (found[:, 0] != expected).sum() <= 1, "they may differ by rounding of the sums"
    halved = (logits + expected_iou_shift(logits)).half() > 0
    assert torch.equal(halved, found), "the sign survives storage"


def test_a_map_without_a_probability_above_half_stays_empty_and_a_full_one_full() -> None:
    maps = torch.cat([torch.full((1, 1, 4, 4), -1.0), torch.full((1, 1, 4, 4), 1.0)])
    assert (maps + expected_iou_shift(maps) > 0).flatten(1).all(1).tolist() == [False, True]
    assert not (maps[:1] + expected_iou_shift(maps[:1]) > 0).any()


def test_maps_that_are_too_low_everywhere_get_a_positive_shift() -> None:
    truth = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.5
    low = truth * 2.0 - 3.0  # -1 where it should be above 0, -3 elsewhere
    selection = selected(low, low, low, truth)
    assert (selection.base_iou, selection.refined_iou) == (0.0, 1.0)
    assert selection.correction == Correction(0.0, 0.0, 1.125)


def test_a_correction_without_gain_is_not_applied() -> None:
    tuner = CorrectionTuner()
    base = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, None]
    tuner.update(RefinedBatch(base, base, -base, (base[:, 0] > 0).to(torch.uint8)))
    assert tuner.best() == Selection(Correction(0.0, 0.0), 1.0, 1.0, 1.0)
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
    ensemble.select(Selection(Correction(1.0, 0.5, 0.25), 0.5, 0.6, 0.55))
    calls: list[str] = []
    for name in ("tolist", "item"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, name=name: calls.append(name))
    with torch.no_grad():
        ensemble(torch.randn(1, 1, 16, 16))
    assert not calls


def test_a_selected_threshold_for_each_map_needs_whole_maps() -> None:
    """On tiles RankSEG would choose a threshold for each tile."""
    ensemble, maps = random_ensemble(), torch.randn(1, 1, 32, 64) + torch.linspace(-2, 2, 64)
    assert not ensemble.sees_whole_maps
    ensemble.select(Selection(RANKSEG, 0.5, 0.6, 0.6))
    assert ensemble.sees_whole_maps
    whole = maps + expected_iou_shift(maps)
    assert torch.equal(ensemble(maps), whole)
