"""Exported and compiled networks give the outputs of the module."""

import shutil

import pytest
import torch
from torch import Tensor

from prn_pipeline.refinement import PatchRefineNet

pytestmark = pytest.mark.usefixtures("one_thread")


def small(**settings) -> PatchRefineNet:
    """A network whose residual heads are not zero, so that its outputs depend on every layer."""
    torch.manual_seed(0)
    model = PatchRefineNet(**{"width": 4, "grid": 2, **settings}).eval()
    for branch in (model.global_branch, model.local_branch):
        if branch is not None:
            torch.nn.init.normal_(branch.head.weight)
    return model


def assert_same(found: tuple[Tensor | None, ...], expected: tuple[Tensor | None, ...]) -> None:
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("grid", "size", "channels"), [(0, 32, 1), (2, 32, 4), (2, 30, 1)])
def test_the_network_exports_to_a_graph_with_the_same_outputs(grid: int, size: int, channels: int) -> None:
    model, maps = small(grid=grid, residual=True, in_channels=channels), torch.rand(1, channels, size, size)
    graph = torch.export.export(model, (maps,)).module()
    with torch.no_grad():
        assert_same(graph(maps), model(maps))


def test_an_exported_graph_accepts_any_number_of_maps() -> None:
    model = small(residual=True)
    batch = torch.export.Dim("batch", min=1, max=64)
    graph = torch.export.export(model, (torch.rand(2, 1, 30, 32),), dynamic_shapes=({0: batch},)).module()
    with torch.no_grad():
        for n in (1, 2, 5):
            maps = torch.rand(n, 1, 30, 32)
            assert_same(graph(maps), model(maps))


def test_the_network_compiles_to_one_graph_with_the_same_outputs() -> None:
    model, maps = small(), torch.rand(1, 1, 32, 32)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        assert_same(compiled(maps), model(maps))


@pytest.mark.long
@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="inductor needs a C++ compiler")
def test_inductor_gives_the_same_outputs() -> None:
    model, maps = small(width=1, grid=0), torch.rand(1, 1, 16, 16)
    torch._dynamo.reset()
    compiled = torch.compile(model)
    with torch.no_grad():
        assert_same(compiled(maps), model(maps))
