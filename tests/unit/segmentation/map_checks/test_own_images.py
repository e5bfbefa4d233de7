"""Maps that fit the masks of any image alike are told from maps that say something of their own."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from prn_pipeline.segmentation.map_checks.fit import Truth
from prn_pipeline.segmentation.map_checks.own_images import _separations, own_fit


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


def test_a_model_that_hardly_sees_its_objects_is_told_from_chance_by_the_ranks_of_its_pixels() -> None:
    """Confident blobs anywhere, and objects a little brighter than their surroundings, far below the threshold."""
    own, shuffled, seen = [], [], []
    for seed in range(20):
        masks, blobs = scenes(48, seed), scenes(48, 100 + seed)
        noise = np.random.default_rng(seed).normal(0, 1, masks.shape)
        weak = (8 * blobs + 0.4 * masks + noise - 4).astype(np.float32)
        truth = Truth(masks, np.ones_like(masks))
        seen.append((weak, truth))
        own.append(own_fit(weak, truth, 2.0))
        shuffled.append(own_fit(np.roll(weak, 7, 0), truth, 2.0))
    by_iou = [own_fit(np.where(weak > 2, 1, -1).astype(np.float32), truth, 0.0).related for weak, truth in seen]
    assert np.mean(by_iou) <= 0.2, "a threshold leaves nothing to be seen"
    assert all(one.related for one in own)
    assert np.mean([one.useless for one in shuffled]) >= 0.9


def test_areas_under_curves_agree_with_scikit_learn() -> None:
    maps, masks = (np.random.default_rng(seed).normal(size=(5, 40)).round(1) for seed in (0, 1))
    found = _separations(maps.astype(np.float32), (masks > 0).astype(np.float32), np.ones_like(masks, np.float32))
    expected = [[roc_auc_score(mask > 0, one) - 0.5 for mask in masks] for one in maps]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    outside = np.zeros((5, 9), np.float32)  # of the field of view
    padded = [np.concatenate([part, outside], 1) for part in ((masks > 0).astype(np.float32), np.ones_like(masks))]
    framed = np.concatenate([maps, np.random.default_rng(2).normal(size=(5, 9))], 1).astype(np.float32)
    np.testing.assert_allclose(_separations(framed, *(part.astype(np.float32) for part in padded)), expected, atol=1e-6)


def test_few_images_with_large_errors_leave_it_open_whether_a_model_is_useful() -> None:
    masks = scenes(12, 5)
    noise = np.random.default_rng(8).normal(0, 1, masks.shape).astype(np.float32)
    noise[::2] += 4 * masks[::2]
    noise[1::2] -= 4 * masks[1::2]
    found = own_fit(noise, Truth(masks, np.ones_like(masks)), 9.0)
    assert (found.related, found.useless) == (False, False)


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
