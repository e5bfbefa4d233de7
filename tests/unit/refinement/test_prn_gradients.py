"""Gradients reach every parameter at any batch size, and training on them reduces the loss."""

import pytest
import torch

from prn_pipeline.refinement import PatchRefineNet, prn_loss

pytestmark = pytest.mark.usefixtures("one_thread")


def small(**settings) -> PatchRefineNet:
    torch.manual_seed(0)
    return PatchRefineNet(**{"width": 4, "grid": 2, **settings}).eval()


def backward(model: PatchRefineNet, side: int) -> None:
    labels = torch.randint(0, 2, (1, side, side))
    prn_loss(model(torch.rand(1, model.in_channels, side, side)), labels, labels, kind="dice").backward()


@pytest.mark.parametrize("grid", [0, 1, 2, 4, 8, 16])
@pytest.mark.parametrize("in_channels", [1, 4])
def test_gradients_reach_every_parameter_at_batch_one(grid: int, in_channels: int) -> None:
    model = small(grid=grid, in_channels=in_channels).train()
    backward(model, max(16, model.multiple))
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert (without, len(list(model.parameters())) > 50) == ([], True)
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.ndim < 2 or parameter.grad.any(), name  # biases before a batch norm have a gradient of 0


@pytest.mark.parametrize("grid", [0, 1, 2, 4, 8, 16])
def test_a_residual_model_first_updates_its_heads_and_then_all_parameters(grid: int) -> None:
    model = small(grid=grid, residual=True).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    backward(model, max(16, model.multiple))
    optimizer.step()
    heads = [branch.head for branch in (model.global_branch, model.local_branch) if branch is not None]
    changed = [bool(head.weight.any() and head.bias.any()) for head in heads]
    assert changed == ([True, True] if grid else [True])
    optimizer.zero_grad()
    backward(model, max(16, model.multiple))
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.ndim < 2 or parameter.grad.any(), name


def test_a_residual_model_learns_to_undo_a_bias_of_the_base_model() -> None:
    torch.manual_seed(0)
    model = PatchRefineNet(width=4, grid=2, residual=True)
    masks = (torch.rand(2, 1, 4, 4) > 0.5).float().repeat_interleave(8, 2).repeat_interleave(8, 3)
    maps = 0.6 * masks + 0.3 + 0.05 * torch.rand_like(masks) - 0.3 * (masks > 0) * (torch.arange(32) < 16)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = prn_loss(model(maps), masks, masks, kind="dice")
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
