"""Fusion against the reference outputs and SciPy's morphology; the sign of fused logits is the mask."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from prn_pipeline.errors import UserError
from prn_pipeline.refinement import RefinedMaps, fuse, fuse_logits


def random_maps(seed: int, shape: tuple[int, ...] = (2, 1, 15, 11)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    # Multiples of 1/8: many values are exactly 0.5, and the two maps are often equal.
    return tuple(torch.randint(0, 9, shape, generator=generator) / 8 for _ in range(2))  # type: ignore[return-value]


def by_morphology(global_maps: torch.Tensor, local_maps: torch.Tensor) -> np.ndarray:
    over = global_maps.numpy() > 0.5
    agreed = (local_maps.numpy() > 0.5) & over
    square = np.ones((3, 3), bool)
    return np.stack([[g | binary_dilation(a, square)] for g, a in zip(over[:, 0], agreed[:, 0], strict=True)])


def test_the_fused_mask_equals_the_reference(reference_root: Path) -> None:
    reference = np.load(reference_root / "p64.npz")
    mask = fuse(torch.from_numpy(reference["global"]), torch.from_numpy(reference["local"]))
    np.testing.assert_array_equal(mask[0, 0].numpy(), reference["fused_mask"])


@pytest.mark.parametrize("seed", range(5))
def test_the_paper_rule_is_intersection_dilation_and_union(seed: int) -> None:
    maps = random_maps(seed)
    mask = fuse(*maps)
    assert mask.dtype == torch.uint8
    np.testing.assert_array_equal(mask.numpy(), by_morphology(*maps))
    assert torch.equal(fuse(*(m[0, 0] for m in maps)), mask[0, 0])


@pytest.mark.parametrize("seed", range(5))
def test_the_sign_of_fused_logits_is_the_mask(seed: int) -> None:
    maps = random_maps(seed)
    refined = RefinedMaps(*(torch.logit(m.clamp(1e-6, 1 - 1e-6)) for m in maps))
    assert torch.equal(fuse_logits(refined, "paper") > 0, fuse(*maps).bool())
    assert torch.equal(fuse_logits(refined, "global") > 0, maps[0] > 0.5)
    assert torch.equal(fuse_logits(refined, "local") > 0, maps[1] > 0.5)


def test_the_average_rule_averages_probabilities() -> None:
    refined = RefinedMaps(torch.randn(1, 1, 8, 8), torch.randn(1, 1, 8, 8))
    found = torch.sigmoid(fuse_logits(refined, "average"))
    torch.testing.assert_close(found, (refined[0].sigmoid() + refined[1].sigmoid()) / 2)


def test_the_average_of_extreme_logits_is_finite_and_has_the_right_sign() -> None:
    values = torch.tensor([-100.0, -90.0, 0.0, 95.0, 100.0])
    a, b = torch.meshgrid(values, values, indexing="ij")
    fused = fuse_logits(RefinedMaps(a[None, None], b[None, None]), "average")[0, 0]
    assert torch.isfinite(fused).all()
    assert torch.equal(fused.sign(), (a + b).sign())


def test_fusing_equal_branches_changes_nothing() -> None:
    logits = torch.logit(torch.rand(1, 1, 6, 6).half().float().clamp(1e-4, 1 - 1e-4))
    for rule in ("average", "global", "local"):
        fused = fuse_logits(RefinedMaps(logits, logits), rule)
        torch.testing.assert_close(fused, logits, atol=1e-4, rtol=1e-4)
        assert torch.equal(fused > 0, logits > 0)


def test_without_a_local_branch_fusion_returns_the_global_logits() -> None:
    logits = torch.randn(1, 1, 4, 4)
    for rule in ("paper", "average", "global"):
        assert torch.equal(fuse_logits(RefinedMaps(logits, None), rule), logits)
    with pytest.raises(UserError, match="needs a local branch"):
        fuse_logits(RefinedMaps(logits, None), "local")


def test_gradients_pass_through_fused_logits() -> None:
    maps = [torch.randn(1, 1, 8, 8, requires_grad=True) for _ in range(2)]
    fuse_logits(RefinedMaps(*maps), "average").sum().backward()
    assert [m.grad is not None and bool(m.grad.all()) for m in maps] == [True, True]


def test_unknown_rules_and_maps_of_different_shapes_are_rejected() -> None:
    maps = random_maps(0)
    with pytest.raises(UserError, match="'mean' is unknown"):
        fuse_logits(RefinedMaps(*maps), "mean")
    with pytest.raises(UserError, match="two maps"):
        fuse(maps[0], maps[1][..., 1:])
