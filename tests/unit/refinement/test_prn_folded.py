"""Fast inference: one transposed convolution instead of two steps, and folded batch norms."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prn_pipeline.refinement import PatchRefineNet, RefinedMaps
from prn_pipeline.refinement.patch_refine_net.blocks import UpConv, doubling_kernel, projected
from prn_pipeline.refinement.patch_refine_net.folded import fold_for_inference
from prn_pipeline.refinement.patch_refine_net.fused_relu import relu_of

pytestmark = pytest.mark.usefixtures("one_thread")

VARIANTS = [
    {"grid": 0},
    {"grid": 2},
    {"grid": 2, "shared_norm": False},
    {"grid": 1, "residual": True, "in_channels": 4},
    {"grid": 4, "residual": True, "shrink": 2, "shared_norm": False},
    {"grid": 8, "upstream_bug": True},
]


def as_if_trained(**settings) -> PatchRefineNet:
    """A network with random batch norm statistics and heads, so that wrong folding changes the outputs."""
    torch.manual_seed(0)
    model = PatchRefineNet(**{"width": 16, **settings}).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    for branch in (model.global_branch, model.local_branch):
        if branch is not None:
            nn.init.normal_(branch.head.weight, std=0.1)
    return model


def branches(refined: RefinedMaps) -> list[torch.Tensor]:
    """Logits of the branches that the network has."""
    return [logits for logits in refined if logits is not None]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (7, 3), (8, 13)])
def test_one_transposed_convolution_equals_doubling_then_convolving(height: int, width: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 3, height, width).double(), torch.randn(5, 3, 3, 3).double()
    bias, upstream = torch.randn(5).double(), torch.randn(2, 5, 2 * height, 2 * width).double()
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    two_steps = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, bias, padding=1)
    expected = torch.autograd.grad(two_steps, inputs, upstream)
    one_step = F.conv_transpose2d(x, doubling_kernel(weight), bias, stride=2, padding=1)
    found = torch.autograd.grad(one_step, inputs, upstream)
    torch.testing.assert_close(one_step, two_steps, atol=1e-12, rtol=0)
    for gradient, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, reference, atol=1e-11, rtol=0)


def test_doubling_keeps_the_channels_last_layout_and_the_released_names() -> None:
    up = UpConv(8, 4).to(memory_format=torch.channels_last)
    y = up(torch.rand(2, 8, 6, 6).contiguous(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert up.state_dict()["conv.weight"].shape == (4, 8, 3, 3)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_a_network_folded_in_float32_gives_the_same_logits(settings: dict) -> None:
    model = as_if_trained(**settings)
    maps = torch.rand(2, model.in_channels, 61, 64)
    with torch.no_grad():
        expected, found = model(maps), fold_for_inference(model, torch.float32)(maps)
    assert (found.local_logits is None) == (expected.local_logits is None) == (settings["grid"] == 0)
    torch.testing.assert_close(branches(found), branches(expected), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_a_network_folded_in_bfloat16_is_as_accurate_as_autocast(settings: dict) -> None:
    model = as_if_trained(**settings)
    maps = torch.rand(2, model.in_channels, 64, 64)
    with torch.no_grad():
        expected, found = model(maps), fold_for_inference(model)(maps)
        with torch.autocast("cpu", torch.bfloat16):
            cast = model(maps)
    exact, folded, autocast = branches(expected), branches(found), branches(cast)
    assert [logits.dtype for logits in folded] == len(exact) * [torch.float32]
    for a, b, c in zip(exact, folded, autocast, strict=True):
        assert (b - a).abs().mean() < 1.5 * (c - a).abs().mean()


def test_a_folded_residual_network_keeps_the_base_logits_in_float32() -> None:
    maps = torch.tensor([0.5, 0.5 + 1e-5, 0.5 - 1e-5, 0.9995]).repeat(1, 1, 16, 4)
    untrained = PatchRefineNet(width=16, grid=2, residual=True)
    with torch.no_grad():
        refined = fold_for_inference(untrained)(maps)
    torch.testing.assert_close([torch.sigmoid(logits) for logits in refined], 2 * [maps], atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_relu_in_the_convolution_gives_the_same_values(dtype: torch.dtype, kernel: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 12, kernel, padding=kernel // 2).to(dtype=dtype, memory_format=torch.channels_last)
    x = torch.randn(2, 8, 9, 7).to(dtype=dtype, memory_format=torch.channels_last)
    before = x.clone()
    with torch.inference_mode():
        expected = conv(x).relu()
        found = relu_of(conv, x)
    torch.testing.assert_close(found, expected, rtol=1e-5 if dtype == torch.float32 else 1e-2, atol=1e-6)
    assert (found == 0).any(), "a ReLU that cuts nothing shows nothing"
    assert torch.equal(x, before)
    assert relu_of(conv, x).requires_grad, "the fused operator knows no gradients"


@pytest.mark.parametrize("in_channels", [1, 3])
def test_features_are_channels_last_from_the_first_convolution_on(in_channels: int) -> None:
    network = PatchRefineNet(width=8, grid=2, in_channels=in_channels).to(memory_format=torch.channels_last)
    maps = torch.rand(1, in_channels, 32, 32).contiguous(memory_format=torch.channels_last)
    for form in (network, fold_for_inference(network, torch.float32)):
        with torch.no_grad():
            assert form.encoder[0](maps).is_contiguous(memory_format=torch.channels_last)


def test_the_projection_of_a_single_channel_is_the_convolution() -> None:
    conv, x = nn.Conv2d(1, 6, 1), torch.randn(2, 1, 5, 4, requires_grad=True)
    inputs, upstream = (x, conv.weight, conv.bias), torch.randn(2, 6, 5, 4)
    torch.testing.assert_close(projected(conv, x), conv(x))
    found, expected = (torch.autograd.grad(y, inputs, upstream) for y in (projected(conv, x), conv(x)))
    for gradient, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, reference)


def test_folding_removes_all_batch_norms_and_leaves_the_network_unchanged() -> None:
    model = as_if_trained(grid=2).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    folded = fold_for_inference(model)
    with torch.no_grad():
        folded(torch.rand(1, 1, 32, 32))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_folded_network_does_not_change_its_input() -> None:
    folded, maps = fold_for_inference(as_if_trained(grid=1), torch.float32), torch.rand(1, 1, 32, 32)
    before = maps.clone()
    with torch.no_grad():
        first, second = folded(maps), folded(maps)
    assert torch.equal(maps, before)
    assert torch.equal(first.global_logits, second.global_logits)
