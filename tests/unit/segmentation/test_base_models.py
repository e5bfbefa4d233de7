"""Every architecture of segmentation-models-pytorch works as a base model."""

import pytest
import segmentation_models_pytorch as smp
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.segmentation.settings import BaseModelSettings
from prn_pipeline.segmentation.smp_model import BaseModel, architecture_names

LIGHT = {"DPT": ("tu-vit_tiny_patch16_224", {"dynamic_img_size": True})}


@pytest.mark.parametrize("architecture", architecture_names())
def test_every_architecture_gives_one_logit_per_pixel_and_learns(architecture: str) -> None:
    encoder, options = LIGHT.get(architecture, ("resnet18", {}))
    model = BaseModel(BaseModelSettings(architecture=architecture, encoder=encoder, options=options))
    images = torch.randint(0, 256, (2, 3, 128, 128), dtype=torch.uint8)
    masks = (images[:, 0] > 127).to(torch.uint8)
    model.check_size(128)
    loss, logits = MaskObjective("bce_dice")(model, {"inputs": images, "masks": masks})
    assert logits.shape == (2, 1, 128, 128)
    loss.backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_images_are_normalised_inside_the_model() -> None:
    model = BaseModel(BaseModelSettings(architecture="unet", encoder="resnet18")).eval()
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    expected = model.network(((images / 255 - mean) / std).float())
    assert torch.allclose(model(images), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"architecture": "Unett", "encoder": "resnet18"}, "unknown architecture 'Unett'; there are .*Unet"),
        ({"architecture": "Unet", "encoder": "resnet19"}, "unknown encoder 'resnet19'; there are .*resnet18"),
        ({"architecture": "Unet", "encoder": "tu-nonsense"}, "cannot be built"),
        ({"architecture": "Unet", "encoder": "resnet18", "options": {"depth": 3}}, "cannot be built.*depth"),
        ({"architecture": "Unet", "encoder": "resnet18", "encoder_weights": "coco"}, "cannot be built.*"),
    ],
)
def test_the_error_for_a_model_that_cannot_be_built_gives_the_reason(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        BaseModel(BaseModelSettings.model_validate(settings))


def test_the_error_for_an_unsupported_size_names_supported_ones() -> None:
    model = BaseModel(BaseModelSettings(architecture="FPN", encoder="resnet18"))
    with pytest.raises(UserError, match=r"multiple of 32.* is 100: use 96 or 128"):
        model.check_size(100)


def perfect(masks: torch.Tensor) -> torch.Tensor:
    return (masks.float() * 2 - 1).unsqueeze(1) * 30


@pytest.mark.parametrize("loss", ["bce", "dice", "bce_dice", "jaccard", "bce_jaccard", "focal", "lovasz", "tversky"])
def test_losses_are_lowest_for_the_truth_and_do_not_depend_on_ignored_pixels(loss: str) -> None:
    masks = torch.zeros(2, 16, 16, dtype=torch.uint8)
    masks[:, 4:12, 4:12] = 1
    masks[:, :2] = 255
    objective = MaskObjective(loss)  # type: ignore[arg-type]

    def value(logits: torch.Tensor) -> float:
        return objective(lambda _: logits, {"inputs": logits, "masks": masks})[0].item()  # type: ignore[arg-type]

    truth = perfect(masks)
    assert value(truth) == pytest.approx(0, abs=0.02)
    assert value(torch.zeros_like(truth)) > value(truth) + 0.05
    changed = truth.clone()
    changed[:, :, :2] *= -1
    assert value(changed) == pytest.approx(value(truth), abs=1e-5)


def test_without_ignored_pixels_soft_jaccard_equals_that_of_the_library() -> None:
    logits, masks = torch.randn(2, 1, 16, 16), torch.randint(0, 2, (2, 16, 16), dtype=torch.uint8)
    ours = MaskObjective("jaccard")(lambda _: logits, {"inputs": logits, "masks": masks})[0]  # type: ignore[arg-type]
    theirs = smp.losses.JaccardLoss("binary", smooth=1.0)(logits, masks.unsqueeze(1))
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
