"""Labels follow the image, whatever is drawn."""

import pytest
import torch

from prn_pipeline.data.augmentation import Augmentation, AugmentationSettings


def sample(side: int = 32) -> dict[str, torch.Tensor]:
    image = torch.randint(0, 256, (3, side, side), dtype=torch.uint8)
    return {"inputs": image, "masks": (image[0] > 127).to(torch.uint8)}


@pytest.mark.parametrize("settings", [{}, {"flips": True}, {"turns": True}, {"crop": 16, "flips": True, "turns": True}])
def test_masks_move_with_their_image(settings: dict[str, object]) -> None:
    augment = Augmentation(AugmentationSettings.model_validate(settings))
    torch.manual_seed(0)
    for _ in range(16):
        changed = augment(sample())
        assert torch.equal(changed["masks"], (changed["inputs"][0] > 127).to(torch.uint8))


def test_colours_change_the_image_and_not_the_mask() -> None:
    augment = Augmentation(AugmentationSettings(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.2, blur=1.0))
    before = sample()
    after = augment(before)
    assert torch.equal(before["masks"], after["masks"])
    assert not torch.equal(before["inputs"], after["inputs"])
    assert after["inputs"].dtype == torch.uint8


def test_what_rotation_brings_in_from_outside_is_ignored() -> None:
    torch.manual_seed(0)
    full = {"inputs": torch.full((3, 32, 32), 200, dtype=torch.uint8), "masks": torch.ones(32, 32, dtype=torch.uint8)}
    masks = torch.stack([Augmentation(AugmentationSettings(rotation=45, scale=0.3))(full)["masks"] for _ in range(8)])
    assert set(masks.unique().tolist()) == {1, 255}


def test_maps_of_floats_are_moved_without_being_changed() -> None:
    torch.manual_seed(0)
    maps = {"inputs": torch.randn(1, 16, 16), "labels": torch.zeros(16, 16, dtype=torch.uint8)}
    changed = Augmentation(AugmentationSettings(flips=True, turns=True))(maps)
    assert changed["inputs"].dtype == torch.float32
    assert torch.equal(changed["inputs"].flatten().sort().values, maps["inputs"].flatten().sort().values)


def test_the_same_seed_draws_the_same() -> None:
    augment = Augmentation(AugmentationSettings(flips=True, turns=True, brightness=0.3, rotation=20))
    before = sample()
    results = []
    for _ in range(2):
        torch.manual_seed(7)
        results.append(augment(before))
    assert all(torch.equal(results[0][key], results[1][key]) for key in before)
