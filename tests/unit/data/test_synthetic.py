"""The embedded data set: reproducible scenes with roads, harder in some regions than in others."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from prn_pipeline.data.settings import SyntheticSettings
from prn_pipeline.data.synthetic.camera import illumination, photograph
from prn_pipeline.data.synthetic.ground import cut_plots
from prn_pipeline.data.synthetic.objects import Stand, cast_shadows
from prn_pipeline.data.synthetic.paving import strokes
from prn_pipeline.data.synthetic.scene import Landscape, draw_landscape, draw_scene

Scene = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@lru_cache
def scenes() -> list[Scene]:
    return [draw_scene(index, SyntheticSettings()) for index in range(40)]


@lru_cache
def landscapes() -> list[Landscape]:
    return [draw_landscape(np.random.default_rng(seed), 128) for seed in range(24)]


def blocks(field: NDArray[Any], side: int = 16) -> NDArray[Any]:
    """(H,W) -> (H/side, W/side, side * side)."""
    rows, columns = field.shape[0] // side, field.shape[1] // side
    return field.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows, columns, -1)


def iou(prediction: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    return float((prediction & truth).sum() / (prediction | truth).sum())


def test_a_scene_depends_on_its_seed_and_index_only() -> None:
    few, many = SyntheticSettings(count=10, seed=3), SyntheticSettings(count=500, seed=3)
    forward = [draw_scene(index, few) for index in (0, 1, 7)]
    backward = [draw_scene(index, many) for index in (7, 1, 0)][::-1]
    np.testing.assert_array_equal([image for image, _ in forward], [image for image, _ in backward])
    np.testing.assert_array_equal([mask for _, mask in forward], [mask for _, mask in backward])


def test_drawing_does_not_change_the_global_random_state() -> None:
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    draw_scene(0, SyntheticSettings())
    assert np.random.random() == expected


def test_other_indices_and_other_seeds_draw_other_roads() -> None:
    masks = [mask for _, mask in scenes()[:6]] + [draw_scene(0, SyntheticSettings(seed=seed))[1] for seed in (1, 2)]
    overlaps = [iou(masks[first] > 0, masks[second] > 0) for first in range(len(masks)) for second in range(first)]
    assert len(overlaps) == 8 * 7 / 2
    assert max(overlaps) < 0.5


@pytest.mark.parametrize("size", [32, 100, 256])
def test_image_and_mask_have_the_promised_shapes_types_and_values(size: int) -> None:
    image, mask = draw_scene(4, SyntheticSettings(size=size))
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert mask.shape == (size, size)
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1}


def test_a_larger_size_shows_the_same_roads_in_finer_pixels() -> None:
    for index in range(5):
        coarse = draw_scene(index, SyntheticSettings(size=128))[1] > 0
        fine = draw_scene(index, SyntheticSettings(size=256))[1]
        assert iou(blocks(fine, 2).mean(axis=2) >= 0.5, coarse) > 0.85


def test_roads_take_between_six_and_twenty_per_cent_of_every_scene() -> None:
    shares = [mask.mean() for _, mask in scenes()]
    assert min(shares) > 0.06
    assert max(shares) < 0.20
    assert np.std(shares) > 0.01


def test_a_connected_road_crosses_every_scene_even_below_the_trees() -> None:
    assert len(scenes()) == 40
    for _, mask in scenes():
        components, count = ndimage.label(mask, structure=np.ones((3, 3)))
        largest = components == 1 + np.argmax(np.bincount(components.ravel(), minlength=count + 1)[1:])
        sides = [largest[0], largest[-1], largest[:, 0], largest[:, -1]]
        assert sum(side.any() for side in sides) >= 2


def test_tree_crowns_hide_some_road_which_the_mask_includes() -> None:
    road = np.stack([landscape.mask for landscape in landscapes()]) == 1
    crowns = np.stack([landscape.crowns for landscape in landscapes()])
    colours = np.stack([landscape.colours for landscape in landscapes()], axis=1)
    greenness = colours[1] / colours.sum(axis=0)
    assert 0.03 < (road & crowns).sum() / road.sum() < 0.35
    assert greenness[road & crowns].mean() > greenness[road & ~crowns].mean() + 0.03


def test_no_threshold_on_brightness_or_colourfulness_finds_the_roads() -> None:
    images = np.stack([image for image, _ in scenes()]).astype(np.float64)
    truth = np.stack([mask for _, mask in scenes()]) == 1
    for feature in (images.mean(axis=3), np.ptp(images, axis=3)):
        thresholds = np.percentile(feature, np.arange(5, 100, 5))
        assert max(iou(feature > threshold, truth) for threshold in thresholds) < 0.35
        assert max(iou(feature <= threshold, truth) for threshold in thresholds) < 0.35


def test_exposure_of_a_grey_card_varies_over_the_picture() -> None:
    card = np.full((3, 128, 128), 0.4, dtype=np.float32)
    brightest = set()
    for seed in range(20):
        picture = photograph(np.random.default_rng(seed), card).mean(axis=2)
        levels = blocks(picture).mean(axis=2)
        assert levels.max() / levels.min() > 1.15
        brightest.add(int(levels.argmax()))
    assert len(brightest) >= 5


def test_contrast_of_stripes_varies_over_the_picture() -> None:
    stripes = np.broadcast_to(np.where(np.arange(128) // 4 % 2, 0.3, 0.6), (3, 128, 128)).astype(np.float32)
    ratios = []
    for seed in range(20):
        contrast = blocks(photograph(np.random.default_rng(seed), stripes).mean(axis=2)).std(axis=2)
        ratios.append(contrast.max() / contrast.min())
    assert min(ratios) > 1.2
    assert np.median(ratios) > 2


def test_light_changes_smoothly() -> None:
    for seed in range(10):
        gain = illumination(np.random.default_rng(seed), 128)
        assert gain.shape == (3, 128, 128)
        assert gain.min() > 0
        assert np.abs(np.diff(np.log(gain), axis=1)).max() < 0.1
        assert np.ptp(np.log(gain[1])) >= 0.45


def test_a_box_throws_its_shadow_away_from_the_sun_as_far_as_its_height_reaches() -> None:
    heights = np.zeros((64, 64), dtype=np.float32)
    heights[28:36, 20:24] = 8 / 64
    stand = Stand(np.ones((3, 64, 64), dtype=np.float32), heights, np.zeros((64, 64), dtype=np.bool_))
    cast_shadows(stand, np.array([1.0, 0.0]), slope=0.5)
    row = stand.colours[0, 32]
    assert row[26:34].max() < 0.5, "eight high at slope one half reaches sixteen pixels"
    assert row[:18].min() > 0.99
    assert row[44:].min() > 0.99
    assert stand.colours[0, 8].min() > 0.99


def test_a_stroke_covers_its_length_times_its_width() -> None:
    path = np.stack([np.linspace(0.1, 0.9, 20), np.linspace(0.2, 0.7, 20)], axis=1)
    area = np.hypot(0.8, 0.5) * 0.1
    assert strokes([(path, 0.1)], 128).mean() == pytest.approx(area, rel=0.06)


@pytest.mark.parametrize("cuts", [1, 6, 12])
def test_every_cut_adds_a_plot(cuts: int) -> None:
    plots = cut_plots(np.random.default_rng(0), 96, heading=0.7, cuts=cuts)
    assert len(np.unique(plots)) == cuts + 1 == plots.max() + 1
    assert np.bincount(plots.ravel()).min() > 20


def test_a_negative_index_is_refused() -> None:
    with pytest.raises(ValueError, match="index -1"):
        draw_scene(-1, SyntheticSettings())
