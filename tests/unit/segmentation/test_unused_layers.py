"""An encoder keeps the layers that its features depend on, and no others."""

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel, encoder_of
from prn_pipeline.segmentation.unused_layers import Unused, drop_unused_layers

#: A U-Net with three stages of a ResNet-18, and what the library's own has beyond them.
SHALLOW = {"encoder_depth": 3, "decoder_channels": [48, 32, 16]}
UNUSED = ("encoder.layer3.", "encoder.layer4.")


def features(encoder: nn.Module, seed: int = 0) -> list[Tensor]:
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        found: list[Tensor] = encoder.eval()(image)
    return found


# efficientnet-b0 calls the layers of unused stages too; vgg11 and mobilenet_v2 keep all layers in one sequence.
@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("name", ["resnet18", "efficientnet-b0", "vgg11", "mobilenet_v2", "mit_b0", "tu-resnet18"])
def test_every_weight_that_is_left_is_used_and_features_are_the_same(name: str, depth: int) -> None:
    torch.manual_seed(0)
    whole = smp.encoders.get_encoder(name, depth=depth, weights=None)
    encoder = encoder_of(name, None, depth, 3)
    encoder.load_state_dict(dict(whole.state_dict()))
    for kept, expected in zip(features(encoder), features(whole), strict=True):
        assert torch.equal(kept, expected)
    sum(feature.sum() for feature in encoder(torch.rand(1, 3, 64, 64)) if feature.requires_grad).backward()
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None] == []


def test_a_base_model_starts_from_the_weights_that_the_library_draws_and_is_in_training() -> None:
    torch.manual_seed(7)
    library = smp.create_model("Unet", "resnet18", None, **SHALLOW)
    after = torch.get_rng_state()
    torch.manual_seed(7)
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="resnet18", options=SHALLOW))
    assert torch.equal(torch.get_rng_state(), after)
    assert all(module.training for module in base.modules())
    weights = base.network.state_dict()
    assert weights.keys() == {name for name in library.state_dict() if not name.startswith(UNUSED)}
    assert all(torch.equal(tensor, library.state_dict()[name]) for name, tensor in weights.items())


def test_weights_that_were_stored_with_unused_layers_load() -> None:
    base = BaseModel(BaseModelSettings(architecture="Unet", encoder="resnet18", options=SHALLOW))
    library = smp.create_model("Unet", "resnet18", None, **SHALLOW)
    stored = {f"network.{name}": tensor for name, tensor in library.state_dict().items()}
    base.load_state_dict(stored)
    assert len(stored) == len(library.state_dict())
    assert torch.equal(base.network.encoder.layer2[1].conv2.weight, library.encoder.layer2[1].conv2.weight)
    with pytest.raises(RuntimeError, match="Unexpected"):
        base.load_state_dict({**stored, "network.encoder.layer5.weight": torch.zeros(1)})


class _WithSpareLayer(nn.Module):
    """An encoder whose spare layer no feature depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Conv2d(3, 4, kernel_size=3)
        self.spare = nn.Conv2d(3, 4, kernel_size=1)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.used(images)]


class _OfOneSize(_WithSpareLayer):
    def forward(self, images: Tensor) -> list[Tensor]:
        assert images.shape[-1] == 224, "as in timm, which raises this for another size"
        return super().forward(images)


class _ReadsAnAttribute(_WithSpareLayer):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.used(images)[:, : self.spare.out_channels]]


def test_a_layer_that_no_feature_depends_on_is_dropped() -> None:
    encoder = _WithSpareLayer()
    drop_unused_layers(encoder, 3)
    assert sorted(encoder.state_dict()) == ["used.bias", "used.weight"]


@pytest.mark.parametrize("kind", [_OfOneSize, _ReadsAnAttribute])
def test_an_encoder_that_does_without_no_layer_keeps_all(kind: type[_WithSpareLayer]) -> None:
    encoder = kind()
    drop_unused_layers(encoder, 3)
    assert sorted(encoder.state_dict()) == ["spare.bias", "spare.weight", "used.bias", "used.weight"]
    assert encoder.training


class _KeepsItsLastFeature(_WithSpareLayer):
    """As attention that keeps a table between calls."""

    last: Tensor | None = None

    def forward(self, images: Tensor) -> list[Tensor]:
        self.last = self.used(images)
        return [self.last]


def test_an_encoder_that_keeps_results_is_left_without_any() -> None:
    encoder = _KeepsItsLastFeature()
    drop_unused_layers(encoder, 3)
    assert encoder.last is None
    assert isinstance(encoder.spare, Unused)


def test_a_transformer_of_one_size_is_built_whole() -> None:
    settings = {"architecture": "DPT", "encoder": "tu-vit_tiny_patch16_224", "encoder_weights": None}
    library = smp.create_model("DPT", "tu-vit_tiny_patch16_224", None)
    assert BaseModel(BaseModelSettings(**settings)).network.state_dict().keys() == library.state_dict().keys()


@torch.inference_mode()
def test_a_model_that_is_built_for_inference_alone_takes_stored_weights() -> None:
    settings = BaseModelSettings(architecture="Unet", encoder="resnet18", options=SHALLOW)
    with torch.inference_mode(False):
        stored = BaseModel(settings).state_dict()
    built = BaseModel(settings)
    built.load_state_dict(stored)
    assert torch.equal(built.network.encoder.conv1.weight, stored["network.encoder.conv1.weight"])
