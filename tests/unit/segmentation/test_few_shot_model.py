"""The few-shot base model segments the object of its support images."""

import pytest
import torch

from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.few_shot import FewShotModel, _similarities
from prn_pipeline.segmentation.maps import MapMaker
from prn_pipeline.segmentation.objective import MaskObjective
from prn_pipeline.segmentation.settings import FewShotSettings

SETTINGS = FewShotSettings(kind="few_shot", encoder="tu-mobilenetv3_small_050", width=16)


def episode(shots: int, size: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8, generator=generator)
    support = torch.randint(0, 256, (2, shots, 3, size, size), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(2, shots, size, size, dtype=torch.uint8)
    masks[..., 16:40, 16:40] = 1
    masks[..., :4] = 255
    return images, support, masks


@pytest.mark.parametrize("shots", [1, 5])
def test_the_model_gives_one_logit_per_pixel_and_learns(shots: int) -> None:
    model = FewShotModel(SETTINGS)
    images, support, masks = episode(shots)
    batch = {"inputs": images, "support_images": support, "support_masks": masks, "masks": masks[:, 0]}
    loss, logits = MaskObjective("bce_dice")(model, batch)
    assert logits.shape == (2, 1, 64, 64)
    loss.backward()
    for module in (model.encoder, model.decoder, model.coarse, model.fine):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_predictions_depend_on_the_support_and_not_on_its_order() -> None:
    model = FewShotModel(SETTINGS).eval()
    images, support, masks = episode(3)
    masks[:, 1] = 0
    masks[:, 1, 40:60, 40:60] = 1
    with torch.no_grad():
        logits = model(images, support, masks)
        assert torch.allclose(logits, model(images, support.flip(1), masks.flip(1)), atol=1e-4)
        assert not torch.allclose(logits, model(images, support, masks.roll(20, -1)), atol=1e-3)


def test_a_position_of_the_object_is_more_similar_to_the_object_than_to_the_background() -> None:
    red, blue = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    support = blue.view(1, 1, 2, 1, 1).repeat(1, 1, 1, 8, 8)
    support[..., 2:5, 2:5] = red.view(2, 1, 1)
    masks = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    masks[..., 4:10, 4:10] = 1
    query = blue.view(1, 2, 1, 1).repeat(1, 1, 8, 8)
    query[..., 6, 6] = red
    to_object, to_background, nearest = _similarities(query, support, masks)[0]
    assert to_object[6, 6] > 0.99
    assert to_object[0, 0] < 0.01
    assert to_background[0, 0] > 0.9
    assert nearest[6, 6] == pytest.approx(1)
    assert nearest[0, 0] < 0.5
    without_object = _similarities(query, support, torch.zeros_like(masks))[0, 2]
    assert (without_object == -1).all(), "without an object in the support, the similarity is lowest everywhere"


def test_a_tiny_or_missing_object_gives_finite_logits() -> None:
    model = FewShotModel(SETTINGS).eval()
    images, support, masks = episode(1)
    for rows in (slice(20, 21), slice(0, 0)):
        small = torch.zeros_like(masks)
        small[..., rows, rows] = 1
        with torch.no_grad():
            assert torch.isfinite(model(images, support, small)).all()


def test_tta_flips_the_query_and_not_the_support() -> None:
    model = FewShotModel(SETTINGS).eval()
    images, support, masks = episode(1)
    with torch.no_grad():
        maps = MapMaker(model, tta=True, features=False)(images, support, masks)
        flipped = model(images.flip(-1), support, masks).flip(-1)
    assert maps.tta is not None
    assert maps.tta.shape == (2, 1, 2, 64, 64)
    assert not torch.allclose(flipped, maps.logits, atol=1e-3)


def test_the_error_for_an_unsupported_size_names_supported_ones() -> None:
    with pytest.raises(UserError, match=r"multiple of 16; .* is 100: use 96 or 112"):
        FewShotModel(SETTINGS).check_size(100)
