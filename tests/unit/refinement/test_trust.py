"""The ensemble, and the decision how far to trust it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.fold_ensemble import FoldEnsemble
from prn_pipeline.refinement.settings import RegionDetailSettings
from prn_pipeline.refinement.trust_tuning import CANDIDATES, Judgement, Trust, TrustTuner

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
def test_trust_decides_between_base_start_and_correction(trust: Trust) -> None:
    ensemble = shaken(reads=("views",))
    base, views = torch.randn(2, 1, 16, 16), torch.randn(2, 2, 16, 16)
    with torch.no_grad():
        refined = ensemble(base, views)
        ensemble.accept(Judgement(trust, 0.5, 0.6))
        found = ensemble(base, views)
    start = views[:, :1]
    expected = start + trust.strength * (refined - start) if trust.start else base
    torch.testing.assert_close(found, expected)
    assert trust.start or torch.equal(found, base), "to the last bit"
    assert ensemble.trust == trust
    assert ensemble.out_of_fold_iou.tolist() == pytest.approx([0.5, 0.6])


def test_trust_is_stored_with_the_weights() -> None:
    ensemble, other = shaken(), FoldEnsemble(SMALL)
    ensemble.accept(Judgement(Trust(1.0, 0.25), 0.1, 0.2))
    other.load_state_dict(ensemble.state_dict())
    assert other.trust == Trust(1.0, 0.25)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_the_choice_is_the_best_of_a_plain_search(seed: int, batches: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tuner, parts = TrustTuner(), []
    for _ in range(batches):
        maps = [torch.randn(2, 1, 8, 8, generator=generator) for _ in range(3)]
        masks = torch.randint(0, 3, (2, 8, 8), generator=generator, dtype=torch.uint8)
        masks[masks == 2] = 255
        tuner.update(*maps, masks)
        parts.append((maps, masks))
    scores = []
    for trust in CANDIDATES:
        intersection = union = 0
        for (base, start, refined), masks in parts:
            final = (start + trust.strength * (refined - start) if trust.start else base)[:, 0].numpy() > 0
            truth, valid = masks.numpy() == 1, masks.numpy() != 255
            intersection += np.count_nonzero(final & truth)
            union += np.count_nonzero((final | truth) & valid)
        scores.append(intersection / max(union, 1))
    judgement = tuner.best()
    assert judgement.refined_iou == pytest.approx(max(scores))
    assert judgement.base_iou == pytest.approx(scores[0])
    assert scores[CANDIDATES.index(judgement.trust)] == pytest.approx(max(scores))


def test_what_gains_nothing_is_not_trusted() -> None:
    tuner = TrustTuner()
    base = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])[None, None]
    tuner.update(base, base, -base, (base[:, 0] > 0).to(torch.uint8))
    assert tuner.best() == Judgement(Trust(0.0, 0.0), 1.0, 1.0)
    with pytest.raises(UserError, match="nothing to choose by"):
        TrustTuner().best()
