"""Labels move with their image in every augmentation."""

import pytest
import torch

from prn_pipeline.data.augmentation.settings import AugmentationSettings
from prn_pipeline.data.augmentation.transforms import Augmentation


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


def test_pixels_that_rotation_brings_in_from_outside_are_ignored() -> None:
    torch.manual_seed(0)
    full = {"inputs": torch.full((3, 32, 32), 200, dtype=torch.uint8), "masks": torch.ones(32, 32, dtype=torch.uint8)}
    masks = torch.stack([Augmentation(AugmentationSettings(rotation=45, scale=0.3))(full)["masks"] for _ in range(8)])
    assert set(masks.unique().tolist()) == {1, 255}


def test_float_maps_are_moved_without_being_changed() -> None:
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
    assert results[0].keys() == results[1].keys() == before.keys()
    assert all(torch.equal(results[0][key], results[1][key]) for key in before)


def test_a_map_and_an_image_move_alike_and_only_the_image_changes_its_colours() -> None:
    torch.manual_seed(0)
    settings = AugmentationSettings(flips=True, turns=True, crop=16, brightness=0.5, hue=0.2, blur=1.0)
    place = torch.arange(32 * 32, dtype=torch.float32).reshape(1, 32, 32)
    image = (place * 7 % 256).to(torch.uint8).repeat(3, 1, 1)
    masks = (place[0] % 3 == 0).to(torch.uint8)
    after = Augmentation(settings)({"inputs": place, "images": image, "masks": masks})
    rows = after["inputs"].long().flatten()
    assert torch.equal(after["masks"].flatten(), masks.flatten()[rows])
    assert after["inputs"].dtype == torch.float32
    assert after["images"].dtype == torch.uint8
    assert not torch.equal(after["images"].flatten(1), image.flatten(1)[:, rows])
    only_moved = Augmentation(settings.model_copy(update={"brightness": 0.0, "hue": 0.0, "blur": 0.0}))
    after = only_moved({"inputs": place, "images": image, "masks": masks})
    assert torch.equal(after["images"].flatten(1), image.flatten(1)[:, after["inputs"].long().flatten()])


def test_rotation_interpolates_maps_and_never_labels() -> None:
    torch.manual_seed(0)
    halves = (torch.arange(32) < 16).float().expand(32, 32)
    before = {"inputs": halves[None].contiguous(), "masks": halves.to(torch.uint8)}
    after = Augmentation(AugmentationSettings(rotation=45))(before)
    assert ((after["inputs"] > 0.05) & (after["inputs"] < 0.95)).any()
    assert set(after["masks"].unique().tolist()) <= {0, 1, 255}


def test_a_crop_takes_the_same_area_of_maps_of_any_resolution() -> None:
    torch.manual_seed(0)
    place = torch.arange(32 * 32, dtype=torch.float32).reshape(1, 32, 32)
    coarse = place[:, ::4, ::4]
    sample = {"inputs": place, "features": coarse, "masks": (place[0] % 7).to(torch.uint8), "folds": torch.tensor(3)}
    places = set()
    for _ in range(20):
        changed = Augmentation(AugmentationSettings(crop=16))(sample)
        assert changed["inputs"].shape == (1, 16, 16)
        assert torch.equal(changed["features"], changed["inputs"][:, ::4, ::4])
        assert torch.equal(changed["masks"], (changed["inputs"][0] % 7).to(torch.uint8))
        assert changed["folds"] == 3
        places.add(float(changed["inputs"][0, 0, 0]))
    assert len(places) > 10


def test_a_sample_no_larger_than_the_crop_stays_whole() -> None:
    assert Augmentation(AugmentationSettings(crop=64))(sample(32))["inputs"].shape == (3, 32, 32)


def test_coarser_maps_are_flipped_and_turned_with_the_others() -> None:
    place = torch.arange(64, dtype=torch.float32).reshape(1, 8, 8)
    fine = place.repeat_interleave(2, 1).repeat_interleave(2, 2)
    torch.manual_seed(1)
    for _ in range(12):
        changed = Augmentation(AugmentationSettings(flips=True, turns=True))({"inputs": fine, "features": place})
        assert torch.equal(changed["inputs"][:, ::2, ::2], changed["features"])


def test_oblong_samples_are_turned_by_half_a_turn_only() -> None:
    augment = Augmentation(AugmentationSettings(turns=True, flips=False))
    sample = {"images": torch.arange(24, dtype=torch.uint8).view(1, 4, 6).repeat(3, 1, 1)}
    found = {tuple(augment(sample)["images"][0].flatten().tolist()) for _ in range(40)}
    upright = tuple(range(24))
    assert found == {upright, upright[::-1]}
