"""The outputs of a base model: logits, TTA and features."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from prn_pipeline.segmentation.maps import FLIPS, MapMaker, at_half_resolution
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel, architecture_names

SMALL = {"architecture": "Unet", "encoder": "resnet18", "options": {"decoder_channels": [16, 8, 8, 8, 8]}}


@pytest.fixture(scope="module")
def model() -> BaseModel:
    torch.manual_seed(0)
    return BaseModel(BaseModelSettings.model_validate(SMALL)).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_tta_is_the_mean_and_standard_deviation_over_flips(model: BaseModel, images: Tensor) -> None:
    with torch.no_grad():
        maps = MapMaker(model)(images)
        flips = np.stack([model(images.flip(axes)).flip(axes)[:, 0].numpy() for axes in FLIPS])
    assert len(flips) == 4
    assert maps.tta is not None
    np.testing.assert_allclose(maps.tta[:, 0, 0], flips.mean(0), atol=1e-5)
    np.testing.assert_allclose(maps.tta[:, 0, 1], flips.std(0), atol=1e-5)


def test_the_logits_are_those_of_the_unflipped_image(model: BaseModel, images: Tensor) -> None:
    with torch.no_grad():
        maps = MapMaker(model, tta=False, features=False)(images)
        assert torch.equal(maps.logits, model(images))
    assert maps.tta is None
    assert maps.features is None


def test_the_features_are_the_input_of_the_segmentation_head(model: BaseModel, images: Tensor) -> None:
    with torch.no_grad():
        logits, features = model.with_features(images)
        assert torch.equal(model.network.segmentation_head(features), logits)
        assert torch.equal(model(images), logits), "the hook is removed afterwards"
    assert not model.network.segmentation_head._forward_pre_hooks


@pytest.mark.parametrize("architecture", sorted(set(architecture_names()) - {"DPT"}))
def test_every_architecture_gives_features_of_at_most_half_the_resolution(architecture: str) -> None:
    encoder = "mit_b0" if architecture == "Segformer" else "resnet18"
    settings = BaseModelSettings.model_validate({"architecture": architecture, "encoder": encoder})
    model = BaseModel(settings).eval()
    with torch.no_grad():
        maps = MapMaker(model, tta=False)(torch.zeros(1, 3, 128, 128, dtype=torch.uint8))
    assert maps.features is not None
    assert maps.features.shape[-1] <= 64
    assert 128 % maps.features.shape[-1] == 0


@pytest.mark.parametrize(("height", "kept"), [(64, 32), (32, 32), (16, 16), (8, 8)])
def test_only_features_above_half_resolution_are_averaged(height: int, kept: int) -> None:
    assert at_half_resolution(torch.zeros(1, 2, height, height), 64).shape[-1] == kept


def test_the_tta_mean_of_a_flip_equivariant_model_equals_its_logits(images: Tensor) -> None:
    class Brightness(nn.Module):
        def with_features(self, batch: Tensor) -> tuple[Tensor, Tensor]:
            return self(batch), batch.float()

        def forward(self, batch: Tensor) -> Tensor:
            return batch.float().mean(1, keepdim=True) / 100

    maps = MapMaker(Brightness())(images)  # type: ignore[arg-type]
    assert maps.tta is not None
    torch.testing.assert_close(maps.tta[:, :, 0], maps.logits)
    assert maps.tta[:, :, 1].max() < 1e-3
