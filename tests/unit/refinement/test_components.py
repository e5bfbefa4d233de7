"""Small components and holes against a flood fill in plain Python; selected sizes against every pair of sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from prn_pipeline.errors import UserError
from prn_pipeline.refinement.baselines.components import SIZES, ComponentTuner, without_small_components

Pixel = tuple[int, int]
STRAIGHT = [(-1, 0), (1, 0), (0, -1), (0, 1)]
DIAGONAL = [(-1, -1), (-1, 1), (1, -1), (1, 1)]


def flooded(mask: list[list[bool]], value: bool, sides: list[Pixel]) -> list[list[Pixel]]:
    """Connected regions of pixels with a value."""
    height, width = len(mask), len(mask[0])
    waiting = {(row, column) for row in range(height) for column in range(width) if mask[row][column] == value}
    regions = []
    while waiting:
        edge = [waiting.pop()]
        region = []
        while edge:
            row, column = edge.pop()
            region.append((row, column))
            near = {(row + down, column + right) for down, right in sides} & waiting
            waiting -= near
            edge += near
        regions.append(region)
    return regions


def by_flood_fill(mask: np.ndarray, component: float, hole: float) -> np.ndarray:
    found = mask.tolist()
    for value, share, sides in ((True, component, STRAIGHT + DIAGONAL), (False, hole, STRAIGHT)):
        for region in flooded(found, value, sides):
            if len(region) < share * mask.size:
                for row, column in region:
                    found[row][column] = not value
    return np.array(found)


def random_masks(seed: int, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    height, width, blur = int(rng.integers(1, 13)), int(rng.integers(1, 13)), rng.uniform(0, 1)
    noise = [ndimage.gaussian_filter(rng.normal(size=(height, width)), blur) for _ in range(count)]
    return np.stack([one > rng.uniform(-0.5, 0.8) * one.std() for one in noise])


def random_truth(masks: np.ndarray, seed: int) -> np.ndarray:
    """The masks with a share of wrong pixels; some pixels are ignored."""
    rng = np.random.default_rng(seed)
    truth = (masks ^ (rng.random(masks.shape) < 0.2)).astype(np.uint8)
    truth[rng.random(masks.shape) < 0.1] = 255
    return truth


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES.tolist()), st.sampled_from(SIZES.tolist()))
def test_components_and_then_holes_below_a_share_of_the_image_go(seed: int, component: float, hole: float) -> None:
    masks = random_masks(seed)
    found = without_small_components(masks, component, hole)
    assert found.dtype == bool
    for one, mask in zip(found, masks, strict=True):
        np.testing.assert_array_equal(one, by_flood_fill(mask, component, hole))


def test_a_component_of_exactly_the_size_stays() -> None:
    mask = np.zeros((1, 16, 16), bool)
    mask[0, 2, 2:6] = True
    assert without_small_components(mask, 4 / 256, 0).sum() == 4
    assert without_small_components(mask, 5 / 256, 0).sum() == 0
    assert without_small_components(~mask, 0, 4 / 256).sum() == 252
    assert without_small_components(~mask, 0, 5 / 256).sum() == 256


def test_a_diagonal_line_is_one_component_and_parts_the_background() -> None:
    mask = np.eye(8, dtype=bool)[None]
    assert (without_small_components(mask, 8 / 64, 0) == mask).all()
    assert without_small_components(mask, 9 / 64, 0).sum() == 0
    assert without_small_components(mask, 0, 29 / 64).all(), "28 pixels on each side"


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_selected_sizes_are_the_best_pair_of_all(seed: int) -> None:
    masks = random_masks(seed, 3)
    truth = random_truth(masks, seed)
    first, second = ComponentTuner(), ComponentTuner()
    first.update(masks[:1], truth[:1])
    second.update(masks[1:], truth[1:])
    first.add(second)
    valid, foreground = truth != 255, truth == 1
    if not valid.any():
        return
    best, expected = -1.0, (0.0, 0.0)
    for component in SIZES:
        for hole in SIZES:
            predicted = np.stack([by_flood_fill(mask, component, hole) for mask in masks]) & valid
            iou = (predicted & foreground).sum() / max(1, (predicted | foreground).sum())
            if iou > best:
                best, expected = iou, (component, hole)
    assert first.best() == expected


def test_specks_and_holes_that_are_wrong_are_removed_and_those_that_are_true_stay() -> None:
    truth = np.zeros((4, 64, 64), np.uint8)
    truth[:, 16:48, 16:48] = 1
    predicted = truth == 1
    predicted[:, 4:6, 4:6] = True
    predicted[:, 30:33, 30:33] = False
    tuner = ComponentTuner()
    tuner.update(predicted, truth)
    component, hole = tuner.best()
    assert 4 < component * 64 * 64 < 32 * 32
    assert hole * 64 * 64 > 9
    assert (without_small_components(predicted, component, hole) == (truth == 1)).all()
    wanted = ComponentTuner()
    wanted.update(predicted, predicted.astype(np.uint8))
    assert wanted.best() == (0, 0)


def test_without_a_foreground_pixel_nothing_is_removed_and_without_a_pixel_there_is_no_size() -> None:
    tuner = ComponentTuner()
    with pytest.raises(UserError, match="no pixel was counted"):
        tuner.best()
    tuner.update(np.ones((1, 8, 8), bool), np.full((1, 8, 8), 255, np.uint8))
    with pytest.raises(UserError, match="no pixel was counted"):
        tuner.best()
    tuner.update(np.ones((1, 8, 8), bool), np.zeros((1, 8, 8), np.uint8))
    assert tuner.best() == (0, 0)
