"""Maps that fit the masks of any image alike are told from maps that say something of their own."""

import numpy as np
import pytest
from scipy import ndimage

from prn_pipeline.segmentation.map_checks.fit import Truth
from prn_pipeline.segmentation.map_checks.own_images import own_fit


def scenes(number: int, seed: int) -> np.ndarray:
    fields = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, (number, 32, 32)), (0, 4, 4))
    return (fields > np.quantile(fields, 0.8, axis=(1, 2), keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_weak_maps_of_their_own_images_are_related_and_those_of_others_are_not(seed: int) -> None:
    masks = scenes(24, seed)
    truth = Truth(masks, np.ones_like(masks))
    noise = ndimage.gaussian_filter(np.random.default_rng(99 - seed).normal(0, 1, masks.shape), (0, 4, 4))
    weak = masks - 0.5 + 1.0 * noise / noise.std()
    found = own_fit(weak.astype(np.float32), truth, 0.5)
    assert found.related
    assert 0.2 < found.own < 0.6
    assert found.own > 1.2 * found.others
    assert not own_fit(np.roll(4 * masks - 2, 7, 0), truth, 0.0).related


def test_nothing_follows_from_few_images_or_from_masks_that_are_alike() -> None:
    masks = scenes(7, 0)
    assert own_fit(np.roll(masks, 1, 0), Truth(masks, np.ones_like(masks)), 0.5).related
    alike = np.repeat(scenes(1, 0), 12, 0)
    assert own_fit(np.roll(alike, 1, 0), Truth(alike, np.ones_like(alike)), 0.5).related


def test_pixels_that_are_ignored_count_nowhere() -> None:
    masks = scenes(12, 3)
    weight = np.ones_like(masks)
    weight[:, :16] = 0
    truth = Truth(masks * weight, weight)
    predicted = masks > 0.5
    expected = np.mean([1.0 if (m * w).any() else 0.0 for m, w in zip(masks, weight, strict=True)])
    assert own_fit(np.where(predicted, 1, -1).astype(np.float32), truth, 0.0).own == pytest.approx(expected, abs=1e-6)
