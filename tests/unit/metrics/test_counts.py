"""Counts of a batch against the plain formulas, one image at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from prn_pipeline.metrics.counts import TruthCounter, boundaries, boundary_width, count_image


def blobs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return ndimage.gaussian_filter(rng.normal(size=shape), (0, 2, 2)) > rng.normal(0, 0.1)


def plain_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    return mask & ~ndimage.minimum_filter(mask, size=2 * width + 1, mode="constant", cval=0)


def plain_counts(prediction: np.ndarray, mask: np.ndarray) -> list[int]:
    predicted, truth, band = prediction & (mask != 255), mask == 1, boundary_width(mask.shape)
    inner, outer = plain_boundary(predicted, band), plain_boundary(truth, band)
    wrong = (predicted & ~truth, truth & ~predicted, (mask == 0) & ~predicted)
    return [int(pixels.sum()) for pixels in (predicted & truth, *wrong, inner & outer, inner | outer)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 70), st.integers(1, 70))
def test_counts_of_a_batch_equal_the_plain_formulas_of_each_image(
    seed: int, images: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    masks = blobs(rng, (images, height, width)).astype(np.uint8)
    masks[rng.random(masks.shape) < 0.1] = 255
    counter = TruthCounter(masks)
    for predictions in (blobs(rng, masks.shape), np.zeros(masks.shape, bool), np.ones(masks.shape, bool)):
        plain = [plain_counts(prediction, mask) for prediction, mask in zip(predictions, masks, strict=True)]
        np.testing.assert_array_equal(counter.count(predictions), plain)
        np.testing.assert_array_equal(count_image(predictions[0].astype(np.uint8), masks[0]), plain[0])


@pytest.mark.parametrize("width", [1, 2, 3, 7, 14, 40])
def test_boundaries_equal_those_of_a_minimum_filter(width: int) -> None:
    masks = ndimage.binary_dilation(blobs(np.random.default_rng(width), (3, 61, 50)), iterations=2)
    masks[2] = True
    np.testing.assert_array_equal(boundaries(masks, width), [plain_boundary(mask, width) for mask in masks])
