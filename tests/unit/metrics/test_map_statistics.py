"""Statistics of the errors of maps, against plain loops over pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prn_pipeline.metrics.counts import boundary_width
from prn_pipeline.metrics.map_statistics import BINS, MapStatisticsCounter, near_outline


def images(seed: int, count: int = 3, size: int = 12) -> list[tuple[np.ndarray, np.ndarray]]:
    draw = np.random.default_rng(seed)
    return [
        (draw.random((size, size)).astype(np.float32), draw.choice([0, 1, 255], (size, size), p=[0.5, 0.4, 0.1]))
        for _ in range(count)
    ]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_statistics_equal_plain_loops(seed: int) -> None:
    counter, given_images = MapStatisticsCounter(patch_size=4), images(seed)
    for probabilities, mask in given_images:
        counter.add(probabilities, mask.astype(np.uint8), probabilities > 0.5)
    found = counter.result()

    for row, column in np.ndindex(3, 3):
        biases = []
        for probabilities, mask in given_images:
            patch = (slice(4 * row, 4 * row + 4), slice(4 * column, 4 * column + 4))
            valid = mask[patch] != 255
            if valid.any():
                biases.append((probabilities[patch] - (mask[patch] == 1))[valid].mean())
        assert found.patch_bias[row, column] == pytest.approx(np.mean(biases), abs=1e-6)

    pairs = [pair for probabilities, mask in given_images for pair in zip(probabilities.flat, mask.flat, strict=True)]
    pixels = [(p, m) for p, m in pairs if m != 255]
    for number in range(BINS):
        inside = [(p, m) for p, m in pixels if min(int(float(p) * BINS), BINS - 1) == number]
        assert found.reliability[number, 0] == len(inside)
        if inside:
            assert found.reliability[number, 1] == pytest.approx(np.mean([p for p, _ in inside]))
            assert found.reliability[number, 2] == pytest.approx(np.mean([m == 1 for _, m in inside]))
    assert found.foreground == sum(m == 1 for _, m in pixels)
    assert found.errors[0].sum() == sum(p > 0.5 and m == 0 for p, m in pixels)
    assert found.errors[1].sum() == sum(p <= 0.5 and m == 1 for p, m in pixels)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_near_the_outline_means_within_reach_of_the_other_class(width: int) -> None:
    truth = np.random.default_rng(width).random((15, 17)) > 0.8
    near = near_outline(truth, width)
    assert near.shape == truth.shape
    for row, column in np.ndindex(truth.shape):
        window = truth[max(0, row - width) : row + width + 1, max(0, column - width) : column + width + 1]
        assert near[row, column] == (window != truth[row, column]).any()


def test_errors_are_split_by_their_distance_from_the_outline() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[:, :50] = 1
    width = boundary_width(mask.shape)
    predicted = mask.astype(np.float32)
    predicted[0, 50] = 1  # false positive beside the outline
    predicted[0, 50 + width] = 1  # and one just beyond the band
    predicted[5, 0] = 0  # false negative far from it
    counter = MapStatisticsCounter(50)
    counter.add(predicted, mask, predicted > 0.5)
    assert counter.result().errors.tolist() == [[1, 1], [0, 1]]
    assert counter.result().errors.dtype == np.int64, "pixels are counted, not weighed"


def test_calibrated_probabilities_have_no_calibration_error() -> None:
    counter = MapStatisticsCounter(2)
    nowhere = np.zeros((2, 2), bool)
    counter.add(np.full((2, 2), 0.5, np.float32), np.array([[0, 1], [1, 0]], np.uint8), nowhere)
    assert counter.result().calibration_error == 0
    counter.add(np.full((2, 2), 0.95, np.float32), np.zeros((2, 2), np.uint8), ~nowhere)
    assert counter.result().calibration_error == pytest.approx(0.95 / 2)


def test_maps_without_a_valid_pixel_have_no_bias() -> None:
    counter = MapStatisticsCounter(2)
    counter.add(np.zeros((2, 2), np.float32), np.full((2, 2), 255, np.uint8), np.zeros((2, 2), bool))
    found = counter.result()
    assert np.isnan(found.patch_bias).all()
    assert found.calibration_error == 0


def test_one_pixel_of_one_image_gives_its_patch_a_bias() -> None:
    mask = np.full((4, 4), 255, np.uint8)
    mask[0, 0], mask[3, 3] = 0, 1
    counter = MapStatisticsCounter(2)
    counter.add(np.full((4, 4), 0.25, np.float32), mask, np.zeros((4, 4), bool))
    np.testing.assert_array_equal(counter.result().patch_bias, [[0.25, np.nan], [np.nan, -0.75]])
