"""Run-length codes are read as COCO, CVAT and Kaggle write them; damaged ones are refused before they cost memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as reference

from prn_pipeline.data.readers.annotations.run_lengths import decompressed, from_runs, from_starts, whole_numbers
from prn_pipeline.errors import UserError
from tests.unit.data.annotation_writers import down_columns, pairs, runs


def drawn(seed: int, share: float = 0.4, size: tuple[int, int] = (23, 31)) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(size) < share


MASKS = [
    drawn(1),
    drawn(2, 0.02),
    drawn(3, 0.98),
    np.zeros((4, 5), bool),
    np.ones((4, 5), bool),
    drawn(4, 0.001, (900, 700)),
]


@pytest.mark.parametrize("mask", MASKS)
def test_the_compressed_code_of_pycocotools_is_read(mask: NDArray[np.bool_]) -> None:
    code = reference.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert decompressed(code).tolist() == runs(down_columns(mask))
    np.testing.assert_array_equal(from_runs(decompressed(code), *mask.shape), mask)


@pytest.mark.parametrize("mask", MASKS[:5])
def test_runs_go_down_columns_or_along_rows(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(from_runs(np.array(runs(down_columns(mask))), *mask.shape), mask)
    np.testing.assert_array_equal(from_runs(np.array(runs(mask.ravel().tolist())), *mask.shape, by_row=True), mask)


@pytest.mark.parametrize("mask", MASKS[:5])
def test_starts_count_from_one(mask: NDArray[np.bool_]) -> None:
    columns, rows = (whole_numbers(pairs(values)) for values in (down_columns(mask), mask.ravel().tolist()))
    np.testing.assert_array_equal(from_starts(columns, *mask.shape), mask)
    np.testing.assert_array_equal(from_starts(rows, *mask.shape, by_row=True), mask)


def test_the_first_pixels_of_the_first_column() -> None:
    assert from_starts(np.array([1, 2, 6, 1]), 3, 4).astype(int).tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize("counts", [[5, 6], [5, 8], [-1, 13], [2**62, 2**62, 2**62, 2**62], [2**63 - 1, 13], []])
def test_runs_that_do_not_fill_the_mask_are_refused(counts: list[int]) -> None:
    with pytest.raises(UserError, match="expected 12 pixels for 4 x 3"):
        from_runs(np.array(counts, np.int64), 3, 4)


@pytest.mark.parametrize("code", [[0, 3], [1, 0], [11, 3], [13, 1], [1, -2], [1, 2**62], [2**62, 1]])
def test_a_run_outside_the_mask_is_refused(code: list[int]) -> None:
    with pytest.raises(UserError, match=r"is not within 4 x 3 pixels .* counted from 1"):
        from_starts(np.array(code), 3, 4)


def test_an_odd_number_of_values_is_refused() -> None:
    with pytest.raises(UserError, match="of 3 numbers, expected pairs"):
        from_starts(np.array([1, 2, 6]), 3, 4)


@pytest.mark.parametrize(
    "values", ["1 x", "1.5 2", "9" * 30, [1, "a"], [1, [2]], [1.5], None, [10**30], {"a": 1}, True]
)
def test_something_else_than_whole_numbers_is_refused(values: object) -> None:
    with pytest.raises(UserError, match="something else than whole numbers"):
        whole_numbers(values)


@given(st.text(st.characters(max_codepoint=300), max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    assert outcome(text) in ((6, 7), "refused")


def outcome(text: str) -> object:
    try:
        return from_runs(decompressed(text), 6, 7).shape
    except UserError:
        return "refused"
