"""Which base models a refiner can train further; the others are refused by their settings, before anything runs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prn_pipeline.configuration.model_checks import check_base_network
from prn_pipeline.errors import UserError
from tests.unit.test_parameters import load


class WithoutGradient(nn.Module):
    """Has weights, and hides them from training."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 1, kernel_size=1)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images)


def chosen(refiner: str, **block: Any) -> dict[str, Any]:
    """The parameters of a run with a base model of these settings."""
    block = {"kind": "module"} | block
    return load(base_model="mine", base_models={"mine": block}, refiner=refiner)


CONVOLUTION = {"target": "torch.nn:Conv2d", "options": {"in_channels": 3, "out_channels": 1, "kernel_size": 1}}
POOLING = {"target": "torch.nn:MaxPool2d", "options": {"kernel_size": 1}, "foreground": 0}
NO_GRADIENT = {"target": f"{__name__}:WithoutGradient"}


@pytest.mark.parametrize(
    ("refiner", "block", "found"),
    [
        ("fine_tune", {"kind": "maps"}, r"\(kind maps\) has maps only and no network"),
        ("train_longer", {"kind": "maps"}, r"\(kind maps\) has maps only and no network"),
        ("fine_tune", {"kind": "few_shot", "encoder": "resnet18"}, "which a refiner is not given"),
        ("train_longer", CONVOLUTION, "is not trained here, so that no training of it could be made longer"),
        ("fine_tune", POOLING, "has no weights that could be trained"),
        ("fine_tune", NO_GRADIENT, "has no weights that could be trained"),
    ],
)
def test_a_base_model_that_cannot_be_trained_is_refused(refiner: str, block: dict[str, Any], found: str) -> None:
    with pytest.raises(UserError, match=f"^refiner '{refiner}' trains .* base model 'mine' .*{found}: use another"):
        check_base_network(chosen(refiner, **block))


@pytest.mark.parametrize(
    ("refiner", "block"),
    [
        ("fine_tune", CONVOLUTION),
        ("fine_tune", CONVOLUTION | {"train": True}),
        ("train_longer", CONVOLUTION | {"train": True}),
        ("fine_tune", {"kind": "smp", "architecture": "Unet", "encoder": "resnet18"}),
        ("prn_maps", {"kind": "maps"}),
        ("prn", POOLING),
    ],
)
def test_others_are_accepted(refiner: str, block: dict[str, Any]) -> None:
    check_base_network(chosen(refiner, **block))
