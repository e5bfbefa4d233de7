"""Pseudo-labels agree with the reference bit for bit, and brute force finds no better threshold."""

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prn_pipeline.errors import UserError
from prn_pipeline.refinement import patch_pseudo_labels
from prn_pipeline.refinement.pseudo_labels.torch_backend import patch_pseudo_labels_torch

Found = tuple[np.ndarray, np.ndarray, np.ndarray]


def brute_force(maps: np.ndarray, masks: np.ndarray, size: int, levels: int | None, smooth: Fraction) -> Found:
    """Scores every candidate of every patch in exact fractions."""
    n, height, width = maps.shape
    grid = (n, -(-height // size), -(-width // size))
    labels, thresholds, iou = np.zeros(maps.shape, np.uint8), np.zeros(grid, np.float32), np.zeros(grid, np.float32)
    for patch in np.ndindex(*grid):
        window = (patch[0], *(slice(i * size, (i + 1) * size) for i in patch[1:]))
        p, mask = maps[window].astype(np.float32), masks[window]
        used, truth = mask != 255, mask == 1
        if levels is None:
            candidates = np.unique(np.append(p[used], np.float32(0)))
        else:
            candidates = np.array([k / levels for k in range(1, levels + 1)], np.float32)
        best = Fraction(-1)
        for candidate in candidates:
            chosen = (p > candidate) & used
            union = int((chosen | (truth & used)).sum()) + smooth
            score = Fraction(int((chosen & truth).sum()) + smooth) / union if union else Fraction(1)
            if score > best:
                best = score
                labels[window] = np.where(used, p > candidate, 255)
                thresholds[patch], iou[patch] = candidate, np.float32(float(score))
    return labels, thresholds, iou


def assert_same(found: tuple, expected: Found) -> None:
    for name, a, b in zip(("labels", "thresholds", "iou"), found, expected, strict=True):
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, err_msg=name)


@st.composite
def problems(draw: st.DrawFn, longest: int = 9) -> tuple[np.ndarray, np.ndarray, int, int | None, Fraction]:
    """Small maps whose values are often equal, on a candidate, or 0, -0 and 1."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, longest)), draw(st.integers(1, longest)))
    levels = draw(st.sampled_from([1, 2, 3, 7, 10, 20, 49, 255, None]))
    steps = draw(st.sampled_from([1, 2, levels or 5, 1000]))
    maps = (rng.integers(0, steps + 1, shape) / steps).astype(draw(st.sampled_from([np.float16, np.float32])))
    maps[rng.random(shape) < 0.05] = -0.0
    share = draw(st.floats(0, 1))
    masks = np.where(rng.random(shape) < share, 1, 0).astype(np.uint8)
    masks[rng.random(shape) < draw(st.sampled_from([0, 0.2, 1]))] = 255
    return maps, masks, draw(st.integers(1, longest + 1)), levels, Fraction(draw(st.sampled_from([0, 0.5, 1, 3])))


@settings(max_examples=300, deadline=None)
@given(problems())
def test_no_threshold_is_better_and_ties_go_to_the_lowest(problem) -> None:
    maps, masks, size, levels, smooth = problem
    expected = brute_force(maps, masks, size, levels, smooth)
    assert_same(patch_pseudo_labels(maps, masks, size, levels, float(smooth)), expected)


@settings(max_examples=200, deadline=None)
@given(problems())
def test_the_torch_backend_gives_the_same_bits(problem) -> None:
    maps, masks, size, levels, smooth = problem
    tensors = patch_pseudo_labels_torch(torch.from_numpy(maps), torch.from_numpy(masks), size, levels, float(smooth))
    expected = patch_pseudo_labels(maps, masks, size, levels, float(smooth))
    assert_same(tuple(t.numpy() for t in tensors), expected)


@settings(max_examples=200, deadline=None)
@given(problems(longest=80))
def test_both_backends_give_the_same_bits_for_patches_of_any_size(problem) -> None:
    """The kernels count and sort large patches differently from small ones."""
    maps, masks, size, levels, smooth = problem
    tensors = patch_pseudo_labels_torch(torch.from_numpy(maps), torch.from_numpy(masks), size, levels, float(smooth))
    assert_same(patch_pseudo_labels(maps, masks, size, levels, float(smooth)), tuple(t.numpy() for t in tensors))


@settings(max_examples=50, deadline=None)
@given(problems())
def test_the_exact_optimum_is_at_least_as_good_as_any_grid(problem) -> None:
    maps, masks, size, levels, smooth = problem
    coarse = patch_pseudo_labels(maps, masks, size, levels or 20, float(smooth))
    assert (patch_pseudo_labels(maps, masks, size, None, float(smooth)).iou >= coarse.iou).all()


@pytest.mark.parametrize("size", [512, 256, 64, 16])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("path", ["numba", "torch"])
def test_labels_equal_the_reference_bit_for_bit(reference_root: Path, size: int, dtype: type, path: str) -> None:
    reference = np.load(reference_root / "pseudo_labels.npz")
    maps, masks = reference["probabilities"].astype(dtype), reference["masks"]
    size = size * maps.shape[-1] // 512  # the brute force has smaller maps, with as many patches
    if path == "numba":
        labels, thresholds, _ = patch_pseudo_labels(maps, masks, size)
    else:
        found = patch_pseudo_labels_torch(torch.from_numpy(maps), torch.from_numpy(masks), size, 20, 1.0)
        labels, thresholds = (tensor.numpy() for tensor in found[:2])
    np.testing.assert_array_equal(labels, reference[f"labels_{size}"])
    np.testing.assert_array_equal(thresholds.reshape(2, -1), reference[f"thresholds_{size}"])
    merged = [((a & b).sum() + 1) / ((a | b).sum() + 1) for a, b in zip(labels, masks, strict=True)]
    assert merged == pytest.approx(reference[f"iou_{size}"])


@pytest.mark.parametrize("levels", [3, 20, 100, 4095, 16383])
def test_probabilities_next_to_a_threshold_are_counted_on_the_correct_side(levels: int) -> None:
    thresholds = (np.arange(1, levels + 1) / levels).astype(np.float32)[:: max(1, levels // 500)]
    values = np.concatenate([np.nextafter(thresholds, 0), thresholds, np.nextafter(thresholds, 2)])
    values = values[values <= 1].astype(np.float32).reshape(-1, 1, 1)
    found = patch_pseudo_labels(values, np.ones(values.shape, np.uint8), 1, levels)
    # One foreground pixel a patch: it is labelled exactly if it lies above the lowest threshold.
    np.testing.assert_array_equal(found.labels, values > np.float32(1 / levels))
    background = patch_pseudo_labels(values, np.zeros(values.shape, np.uint8), 1, levels)
    above = np.searchsorted((np.arange(1, levels + 1) / levels).astype(np.float32), values.ravel(), side="left")
    np.testing.assert_array_equal(background.thresholds.ravel(), ((above + 1) / levels).astype(np.float32))


def test_an_ignored_patch_keeps_its_label_and_gets_the_lowest_threshold() -> None:
    maps = np.full((1, 2, 4), 0.7, np.float32)
    masks = np.array([[[255, 255, 1, 1], [255, 255, 1, 0]]], np.uint8)
    found = patch_pseudo_labels(maps, masks, 2)
    np.testing.assert_array_equal(found.labels[0], [[255, 255, 1, 1], [255, 255, 1, 1]])
    np.testing.assert_array_equal(found.thresholds, np.float32([[[0.05, 0.05]]]))
    np.testing.assert_array_equal(found.iou, np.float32([[[1, 4 / 5]]]))


def test_tensors_and_strided_boolean_and_read_only_arrays_give_the_same_labels() -> None:
    rng = np.random.default_rng(0)
    maps, masks = rng.random((2, 24, 20), np.float32), (rng.random((2, 24, 20)) < 0.4).astype(np.uint8)
    expected = patch_pseudo_labels(maps, masks, 8)
    tensors = patch_pseudo_labels(torch.from_numpy(maps), torch.from_numpy(masks), 8)
    assert all(isinstance(t, torch.Tensor) for t in tensors)
    assert_same(tuple(t.numpy() for t in tensors), expected)
    assert_same(patch_pseudo_labels(maps, masks.astype(bool), 8), expected)
    wide_maps, wide_masks = np.repeat(maps, 2, axis=2), np.repeat(masks, 2, axis=2)
    assert_same(patch_pseudo_labels(wide_maps[..., ::2], wide_masks[..., ::2], 8), expected)
    maps.setflags(write=False)
    assert_same(patch_pseudo_labels(maps, masks, 8), expected)


def test_the_torch_backend_labels_more_images_than_fit_in_one_chunk() -> None:
    rng = np.random.default_rng(0)
    maps, masks = rng.random((40, 9, 7), np.float32), (rng.random((40, 9, 7)) < 0.4).astype(np.uint8)
    for levels in (20, None):
        found = patch_pseudo_labels_torch(torch.from_numpy(maps), torch.from_numpy(masks), 4, levels, 1.0)
        assert_same(tuple(t.numpy() for t in found), patch_pseudo_labels(maps, masks, 4, levels))


@pytest.mark.parametrize("levels", [20, None])
def test_no_images_give_no_labels(levels: int | None) -> None:
    maps, masks = np.zeros((0, 8, 12), np.float16), np.zeros((0, 8, 12), np.uint8)
    found = patch_pseudo_labels(maps, masks, 4, levels)
    assert (found.labels.shape, found.thresholds.shape) == ((0, 8, 12), (0, 2, 3))
    on_torch = patch_pseudo_labels_torch(torch.from_numpy(maps), torch.from_numpy(masks), 4, levels, 1.0)
    assert_same(tuple(t.numpy() for t in on_torch), found)


BOTH_PATHS = pytest.mark.parametrize("path", ["numba", "torch"])


def label(path: str, maps: np.ndarray, masks: np.ndarray, **options) -> object:
    arguments = {"patch_size": 4, "levels": 20, "smooth": 1.0, **options}
    if path == "numba":
        return patch_pseudo_labels(maps, masks, **arguments)
    return patch_pseudo_labels_torch(torch.from_numpy(maps), torch.from_numpy(masks), *arguments.values())


@BOTH_PATHS
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("value", [np.nan, -0.25, 1.5, np.inf])
def test_an_error_counts_and_locates_values_that_are_not_probabilities(dtype: type, value: float, path: str) -> None:
    maps = np.full((2, 8, 8), 0.5, dtype)
    maps[1, 2, 3] = maps[1, 7, 7] = value
    with pytest.raises(UserError, match=rf"2 of 128 .* {value} at image 1, row 2, column 3"):
        label(path, maps, np.zeros(maps.shape, np.uint8))


@BOTH_PATHS
def test_other_mask_values_are_rejected(path: str) -> None:
    masks = np.zeros((1, 8, 8), np.uint8)
    masks[0, :2, 0] = 254
    with pytest.raises(UserError, match=r"2 mask pixels .* \[254\]"):
        label(path, np.zeros((1, 8, 8), np.float32), masks)


@BOTH_PATHS
@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (np.zeros((1, 8, 8)), np.zeros((1, 8, 8), np.uint8), "probabilities are float64"),
        (np.zeros((8, 8), np.float32), np.zeros((8, 8), np.uint8), r"expected float16 or float32 \(N, H, W\)"),
        (np.zeros((1, 8, 8), np.float32), np.zeros((1, 8, 8), np.int64), "masks are int64"),
        (np.zeros((1, 8, 8), np.float32), np.zeros((1, 8, 7), np.uint8), r"expected uint8 \(1, 8, 8\)"),
    ],
)
def test_other_types_and_shapes_are_rejected(path: str, maps: np.ndarray, masks: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        label(path, maps, masks)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 0}, "patch_size=0"),
        ({"levels": 0}, "levels=0"),
        ({"levels": 16384}, "levels=16384"),
        ({"smooth": -1.0}, r"smooth=-1\.0"),
        ({"smooth": float("nan")}, "smooth=nan"),
    ],
)
def test_settings_out_of_range_are_rejected(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        label("numba", np.zeros((1, 8, 8), np.float32), np.zeros((1, 8, 8), np.uint8), **options)


def numpy_loop(maps: np.ndarray, masks: np.ndarray, size: int) -> np.ndarray:
    labels = np.zeros_like(masks)
    for image, row, column in np.ndindex(len(maps), maps.shape[1] // size, maps.shape[2] // size):
        window = (image, slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size))
        p, truth = maps[window].astype(np.float32), masks[window].astype(bool)
        best = -1.0
        for k in range(1, 21):
            chosen = p > np.float32(k / 20)
            score = ((chosen & truth).sum() + 1) / ((chosen | truth).sum() + 1)
            if score > best:
                best, labels[window] = score, chosen
    return labels


def test_the_kernel_is_much_faster_than_a_numpy_loop() -> None:
    """Measured in CPU time on one core, so that the load of the machine has little effect; threads add to the gain."""
    numba = pytest.importorskip("numba")
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    rng = np.random.default_rng(0)
    maps, masks = rng.random((1, 512, 512)).astype(np.float16), (rng.random((1, 512, 512)) < 0.3).astype(np.uint8)
    patch_pseudo_labels(maps, masks, 64)
    start = time.process_time()
    expected = numpy_loop(maps, masks, 64)
    slow = time.process_time() - start
    start = time.process_time()
    for _ in range(50):
        found = patch_pseudo_labels(maps, masks, 64)
    fast = (time.process_time() - start) / 50
    numba.set_num_threads(threads)
    np.testing.assert_array_equal(found.labels, expected)
    assert slow > 15 * fast


@pytest.mark.parametrize(("first", "later"), [("import numpy, torch", ""), ("import numpy", "import torch")])
def test_the_kernel_does_not_change_the_number_of_torch_threads(first: str, later: str) -> None:
    """Numba and torch share OpenMP: another number of threads would change the order in which torch sums."""
    script = (
        f"{first}\n"
        "from prn_pipeline.refinement import patch_pseudo_labels\n"
        "patch_pseudo_labels(numpy.zeros((4, 64, 64), numpy.float32), numpy.zeros((4, 64, 64), numpy.uint8), 16)\n"
        f"{later}\n"
        "print(torch.get_num_threads())"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1"]
