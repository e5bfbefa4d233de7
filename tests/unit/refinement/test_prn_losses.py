"""Losses agree with the reference and an independent formula, are always finite, and ignore pixels with label 255."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import Tensor

from prn_pipeline.errors import UserError
from prn_pipeline.refinement import DiceWeights, RefinedMaps, prn_loss, region_loss, regularization_loss
from prn_pipeline.refinement.patch_refine_net.edges import laplacian
from prn_pipeline.refinement.patch_refine_net.losses import LossKind, overlap_loss

KINDS: list[LossKind] = ["paper", "released", "dice"]


@pytest.mark.parametrize(
    ("loss", "labels", "kind", "expected"),
    [
        (region_loss, "pseudo_labels", "paper", "region_loss_pred_vs_pseudo"),
        (region_loss, "pseudo_labels", "released", "region_loss_as_released"),
        (regularization_loss, "masks", "paper", "regularization_loss_pred_vs_mask"),
        (regularization_loss, "masks", "released", "regularization_loss_as_released"),
    ],
)
def test_losses_equal_the_reference(reference_root: Path, loss, labels: str, kind: str, expected: str) -> None:
    reference = np.load(reference_root / "losses.npz")
    logits = torch.logit(torch.from_numpy(reference["probabilities"]))
    found = loss(logits, torch.from_numpy(reference[labels]), kind)
    assert found.item() == pytest.approx(float(reference[expected]), rel=1e-5)


def random_batch(seed: int = 0, side: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 1, side, side, generator=generator, dtype=torch.float64)
    labels, masks = (torch.randint(0, 2, (2, 1, side, side), generator=generator) for _ in range(2))
    return logits, labels, masks


def numpy_edges(maps: np.ndarray) -> np.ndarray:
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8
    return np.stack([np.maximum(np.tanh(convolve(m[0], kernel, mode="constant")), 0)[None] for m in maps])


def numpy_bce(prediction: np.ndarray, target: np.ndarray, weight: float = 1) -> np.ndarray:
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(prediction), -100), np.maximum(np.log(1 - prediction), -100)
    return -(weight * target * logs[0] + (1 - target) * logs[1])


@pytest.mark.parametrize("seed", range(3))
def test_the_paper_loss_equals_its_formula_in_numpy(seed: int) -> None:
    logits, labels, masks = random_batch(seed)
    m, r, y = 1 / (1 + np.exp(-logits.numpy())), labels.numpy().astype(float), masks.numpy().astype(float)
    bce = numpy_bce(m, r)
    region = (
        0.7 * (0.75 * (1 - np.exp(-bce)) ** 2 * bce).mean() + 0.3 * numpy_bce(numpy_edges(m), numpy_edges(r)).mean()
    )
    total = 0.7 * region + 0.3 * numpy_bce(m, y, 1.12).mean()
    found = prn_loss(RefinedMaps(logits, logits), labels, masks, "paper")
    assert found.item() == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_total_is_the_mean_of_the_branches(kind: str) -> None:
    logits, labels, masks = random_batch()
    both = prn_loss(RefinedMaps(logits, -logits), labels, masks, kind)
    alone = [prn_loss(RefinedMaps(x, None), labels, masks, kind) for x in (logits, -logits)]
    assert both.item() == pytest.approx(sum(loss.item() for loss in alone) / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("ignored", [False, True])
def test_losses_and_gradients_are_finite_at_extreme_logits(
    dtype: torch.dtype, kind: str, value: float, ignored: bool
) -> None:
    _, labels, masks = random_batch()
    if ignored:
        labels[..., 2:7, 3:9], masks[:, :, :4] = 255, 255
    logits = torch.full(masks.shape, value, dtype=dtype)
    logits[0] = torch.where(torch.arange(12) % 3 == 0, -value, value)
    logits.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = prn_loss(RefinedMaps(logits, logits), labels, masks, kind)
    loss.backward()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_agree_with_finite_differences(kind: str) -> None:
    logits, labels, masks = random_batch(side=5)
    logits = (3 * logits).requires_grad_()  # edges away from the kink at 0
    assert torch.autograd.gradcheck(lambda x: prn_loss(RefinedMaps(x, None), labels, masks, kind), (logits,))


def test_the_edge_gradient_is_bounded_next_to_a_flat_map() -> None:
    _, labels, _ = random_batch()
    logits = (torch.randn(2, 1, 12, 12) * 1e-6).requires_grad_()
    region_loss(logits, labels).backward()
    assert logits.grad.abs().max() < 1e3


@pytest.mark.parametrize("kind", KINDS)
def test_ignored_pixels_change_neither_loss_nor_gradient(kind: str) -> None:
    logits, labels, masks = random_batch()
    ignored = torch.zeros(masks.shape, dtype=torch.bool)
    ignored[..., 5:9, 2:6] = True
    found = []
    for fill in (-4.0, 7.0):
        changed = logits.clone()
        changed[..., 6:8, 3:5] = fill  # not at the rim of the ignored region, which affects the edges of its neighbours
        changed.requires_grad_()
        loss = prn_loss(
            RefinedMaps(changed, None), labels.masked_fill(ignored, 255), masks.masked_fill(ignored, 255), kind
        )
        loss.backward()
        assert not changed.grad[..., 6:8, 3:5].any()
        found.append(loss.item())
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_over_pixels_that_are_not_ignored(kind: str) -> None:
    logits, labels, masks = random_batch()
    half = prn_loss(RefinedMaps(logits[:1], None), labels[:1], masks[:1], kind)
    labels[1], masks[1] = 255, 255
    assert prn_loss(RefinedMaps(logits, None), labels, masks, kind).item() == pytest.approx(half.item())


@pytest.mark.parametrize("kind", ["paper", "released"])
def test_a_batch_of_ignored_pixels_has_a_loss_and_gradient_of_zero(kind: str) -> None:
    logits = torch.randn(1, 1, 4, 4, requires_grad=True)
    nothing = torch.full((1, 4, 4), 255, dtype=torch.uint8)
    loss = prn_loss(RefinedMaps(logits, None), nothing, nothing, kind)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_dice_weights_scale_their_terms() -> None:
    logits, labels, masks = random_batch()
    refined = RefinedMaps(logits, None)
    x, y = logits.flatten(), masks.flatten().double()
    bce = torch.nn.functional.binary_cross_entropy_with_logits(x, y)
    dice = 1 - (2 * (x.sigmoid() * y).sum() + 1) / (x.sigmoid().sum() + y.sum() + 1)
    region = torch.nn.functional.binary_cross_entropy_with_logits(x, labels.flatten().double())
    found = prn_loss(refined, labels, masks, "dice", DiceWeights(mask_bce=2, mask_dice=3, pseudo_label_bce=5))
    assert found.item() == pytest.approx((2 * bce + 3 * dice + 5 * region).item())


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_the_truth_is_lower_than_that_of_its_opposite(kind: LossKind) -> None:
    _, _, masks = random_batch()
    good = (2.0 * masks - 1) * 4
    right, wrong = (prn_loss(RefinedMaps(x, None), masks, masks, kind) for x in (good, -good))
    assert right < 0.5 * wrong


def test_a_constant_map_has_no_edges_in_float32() -> None:
    assert not laplacian(torch.full((1, 1, 6, 6), 0.3))[..., 1:-1, 1:-1].any()


def test_labels_with_and_without_channel_axis_give_the_same_loss() -> None:
    logits, labels, masks = random_batch()
    refined = RefinedMaps(logits, None)
    flat = prn_loss(refined, labels[:, 0].to(torch.uint8), masks[:, 0].to(torch.uint8))
    assert torch.equal(flat, prn_loss(refined, labels, masks))


def test_labels_of_another_size_are_rejected() -> None:
    logits, labels, masks = random_batch()
    with pytest.raises(UserError, match=r"pseudo-labels have shape \(2, 1, 12, 11\)"):
        prn_loss(RefinedMaps(logits, None), labels[..., 1:], masks)


def test_unknown_kinds_of_loss_are_rejected() -> None:
    logits, labels, masks = random_batch()
    with pytest.raises(UserError, match="'papr' is unknown"):
        prn_loss(RefinedMaps(logits, None), labels, masks, "papr")
    with pytest.raises(UserError, match="'dice' is unknown"):
        region_loss(logits, labels, "dice")


def test_the_overlap_loss_is_cross_entropy_plus_the_jaccard_distance_over_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 1, 8, 8, generator=generator)
    labels = torch.randint(0, 3, (3, 8, 8), generator=generator, dtype=torch.uint8)
    labels[labels == 2] = 255
    p, y = torch.sigmoid(logits[:, 0][labels != 255]).double().numpy(), (labels[labels != 255] == 1).numpy()
    cross_entropy = -np.mean(np.where(y, np.log(p), np.log1p(-p)))
    jaccard = (p[y].sum() + 1) / (p.sum() + y.sum() - p[y].sum() + 1)
    assert overlap_loss(logits, labels).item() == pytest.approx(cross_entropy + 1 - jaccard, rel=1e-5)
    assert overlap_loss(logits, torch.full_like(labels, 255)).item() == 0.0
