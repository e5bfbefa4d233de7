"""Muon, compared with a singular value decomposition and with AdamW."""

import pytest
import torch
from torch import nn

from prn_pipeline.training.muon import CHANGE, ITERATIONS, QUINTIC, ROWS, Muon, normalised_kernels, orthogonalized


@pytest.mark.parametrize("shape", [(2, 16, 144), (3, 64, 64), (1, 96, 32)])
def test_singular_vectors_stay_and_singular_values_follow_the_quintic(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    values = values / values.square().sum(-1, keepdim=True).sqrt()
    for _ in range(ITERATIONS):
        values = sum(c * values**power for c, power in zip(QUINTIC, (1, 3, 5), strict=True))
    expected = left @ torch.diag_embed(values) @ right
    assert (orthogonalized(matrices.float()) - expected).abs().max().item() < 2e-4


def test_a_matrix_of_rank_one_or_zero_gives_finite_numbers() -> None:
    row = torch.randn(1, 1, 90, generator=torch.Generator().manual_seed(0))
    matrices = torch.cat([torch.ones(1, 30, 1) @ row, torch.zeros(1, 30, 90)])
    found = orthogonalized(matrices)
    assert torch.linalg.matrix_norm(found[0], 2).item() == pytest.approx(1.0, abs=0.35)
    assert (found[1] == 0).all()


def test_a_kernel_moves_by_the_learning_rate_whatever_the_size_of_its_gradient() -> None:
    moves = []
    for size in (1e-4, 1.0):
        kernel = nn.Parameter(torch.zeros(16, 8, 3, 3))
        kernel.grad = size * torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0))
        Muon([kernel], [kernel], lr=0.01).step()
        moves.append(kernel.detach().clone())
    assert moves[0].square().mean().sqrt().item() == pytest.approx(0.01 * CHANGE, rel=0.3)
    assert torch.allclose(moves[0], moves[1], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("shape", [(64, 3, 3), (ROWS, 1, 1)])
def test_a_kernel_with_many_output_channels_moves_as_its_parts_do(shape: tuple[int, int, int]) -> None:
    whole = nn.Parameter(torch.zeros(2 * ROWS, *shape))
    whole.grad = torch.randn(whole.shape, generator=torch.Generator().manual_seed(0))
    parts = [nn.Parameter(part.clone()) for part in whole.detach().split(ROWS)]
    for part, gradient in zip(parts, whole.grad.split(ROWS), strict=True):
        part.grad = gradient.clone()
    Muon([whole], [whole], lr=0.01).step()
    Muon(parts, parts, lr=0.01).step()
    assert torch.allclose(whole, torch.cat(parts), atol=1e-6)


@pytest.mark.parametrize("channels", [ROWS + 1, 2 * ROWS + 2])
def test_a_kernel_that_cannot_be_divided_evenly_moves_too(channels: int) -> None:
    kernel = nn.Parameter(torch.zeros(channels, 8, 3, 3))
    kernel.grad = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(0))
    Muon([kernel], [kernel], lr=0.01).step()
    assert kernel.detach().isfinite().all()
    assert kernel.detach().flatten(1).norm(dim=1).min() > 0


def test_all_weights_but_kernels_are_trained_by_adamw() -> None:
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in ((16,), (4, 16, 1, 1), (5, 7))]
    mine, torchs = ([nn.Parameter(value.clone()) for value in start] for _ in range(2))
    optimizers = [
        Muon(mine, [], lr=0.01, weight_decay=0.1),
        torch.optim.AdamW(torchs, 0.01, betas=(0.95, 0.99), weight_decay=0.1),
    ]
    for _ in range(5):
        for a, b in zip(mine, torchs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    ours, expected = (torch.cat([weight.detach().flatten() for weight in weights]) for weights in (mine, torchs))
    assert torch.allclose(ours, expected, atol=1e-6)


def test_weights_without_a_gradient_stay() -> None:
    used, unused = (nn.Parameter(torch.ones(8, 3, 3, 3)) for _ in range(2))
    used.grad = torch.ones_like(used)
    Muon([used, unused], [used, unused], lr=0.01, weight_decay=0.1).step()
    assert (unused == 1).all()
    assert (used != 1).any()


def test_only_kernels_that_a_norm_follows_are_chosen() -> None:
    followed = nn.Conv2d(3, 4, 3, bias=False)
    network = nn.Sequential(followed, nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 8, 3)), nn.Linear(8, 2, bias=False))
    chosen = normalised_kernels(network)
    assert len(chosen) == 1
    assert chosen[0] is followed.weight
