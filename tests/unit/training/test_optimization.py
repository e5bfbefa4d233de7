"""Learning-rate schedules, compared with torch's own."""

import warnings

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from prn_pipeline.training.optimization import build_optimizer, build_scheduler, warmup_cosine
from prn_pipeline.training.settings import TrainingSettings


def torch_schedule(optimizer: torch.optim.Optimizer, warmup: int, steps: int) -> LRScheduler:
    cosine = CosineAnnealingLR(optimizer, steps - warmup)
    if not warmup:
        return cosine
    return SequentialLR(optimizer, [LinearLR(optimizer, 1 / (warmup + 1), 1.0, warmup), cosine], [warmup])


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (2, 1), (10, 9), (30, 1), (100, 0), (3000, 100)])
def test_a_warm_cosine_is_the_schedule_of_torch_up_to_its_accumulated_rounding(steps: int, warmup: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler = torch_schedule(optimizer, warmup, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SequentialLR passes an epoch to its schedulers, which is deprecated
            scheduler.step()
    assert [warmup_cosine(step, warmup, steps) for step in range(steps)] == pytest.approx(rates, rel=1e-13)


def test_the_warm_up_is_shorter_than_the_training() -> None:
    settings = TrainingSettings(epochs=1, warmup_epochs=3)
    optimizer = build_optimizer(torch.nn.ParameterList([torch.zeros(1)]), settings)
    build_scheduler(optimizer, settings, steps=4)
    assert optimizer.param_groups[0]["lr"] == settings.learning_rate / 4, "three of four steps warm up"


def test_frozen_parameters_are_not_optimized() -> None:
    frozen, trained = (torch.nn.Parameter(torch.zeros(1), requires_grad=grad) for grad in (False, True))
    optimizer = build_optimizer(torch.nn.ParameterList([frozen, trained]), TrainingSettings())
    assert optimizer.param_groups[0]["params"] == [trained]
