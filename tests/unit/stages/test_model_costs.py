"""The cost of a network, against hand calculation."""

import pytest
import torch
from torch import nn

from prn_pipeline.processes.contention import LoadMeter
from prn_pipeline.stages.evaluation.model_costs import model_cost


def test_a_convolution_costs_two_operations_per_weight_and_pixel() -> None:
    cost = model_cost(nn.Conv2d(3, 8, kernel_size=3, padding=1, bias=False), [torch.rand(4, 3, 16, 16)])
    assert cost.parameters == 8 * 3 * 9
    assert cost.gflop * 1e9 == 2 * 8 * 3 * 9 * 16 * 16
    assert 0 < cost.milliseconds < 1000


@pytest.mark.parametrize("loaded", [True, False])
def test_milliseconds_say_whether_they_were_measured_under_load(loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LoadMeter, "under_load", lambda _: loaded)
    assert model_cost(nn.Conv2d(1, 1, kernel_size=1), [torch.rand(1, 1, 4, 4)]).under_load is loaded


def test_a_network_gets_all_of_its_inputs() -> None:
    class Sum(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a + b

    cost = model_cost(Sum(), [torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4)])
    assert (cost.parameters, cost.gflop) == (0, 0)
