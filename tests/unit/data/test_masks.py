import numpy as np
import pytest
from numpy.testing import assert_array_equal

from prn_pipeline.data.readers.masks import binarize_mask, foreground_share, ignore_outside
from prn_pipeline.data.settings import MaskSettings
from prn_pipeline.errors import UserError

AUTOMATIC = MaskSettings()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[0, 255]], [[0, 1]]),
        ([[0, 1]], [[0, 1]]),
        ([[7, 7]], [[1, 1]]),
        ([[0, 0]], [[0, 0]]),
        ([[0, 40000]], [[0, 1]]),
    ],
)
def test_without_a_rule_the_one_value_that_is_not_zero_is_foreground(
    values: list[object], expected: list[object]
) -> None:
    mask = binarize_mask(np.array(values), AUTOMATIC)
    assert mask.dtype == np.uint8
    assert_array_equal(mask, expected)


def test_more_than_two_values_need_a_rule_and_the_error_lists_them() -> None:
    with pytest.raises(UserError, match=r"3 different values \(0, 3, 128\).*threshold.*values"):
        binarize_mask(np.array([[0, 3, 128]], np.uint8), AUTOMATIC)


def test_two_values_without_zero_need_a_rule() -> None:
    with pytest.raises(UserError, match=r"values 1 and 2, but without 0.*`mask: \{values: \[2\]\}`"):
        binarize_mask(np.array([[1, 2]], np.uint8), AUTOMATIC)
    with pytest.raises(UserError, match=r"`mask: \{values: \[2\], ignore_values: \[3\]\}`"):
        binarize_mask(np.array([[1, 2, 3]], np.uint8), MaskSettings(ignore_values=(3,)))
    assert_array_equal(binarize_mask(np.array([[1, 2]]), MaskSettings(values=(2,))), [[0, 1]])
    assert_array_equal(binarize_mask(np.array([[1, 2]]), MaskSettings(ignore_values=(1,))), [[255, 1]])


def test_a_threshold_is_exceeded_strictly() -> None:
    assert_array_equal(binarize_mask(np.array([[126, 127, 128]]), MaskSettings(threshold=127)), [[0, 0, 1]])


def test_values_select_foreground_and_ignored_pixels() -> None:
    rule = MaskSettings(values=(3, 4), ignore_values=(11,))
    assert_array_equal(binarize_mask(np.array([[0, 3, 4, 5, 11]], np.uint8), rule), [[0, 1, 1, 0, 255]])


def test_ignored_values_are_none_of_the_two() -> None:
    rule = MaskSettings(ignore_values=(255,))
    assert_array_equal(binarize_mask(np.array([[0, 1, 255]], np.uint8), rule), [[0, 1, 255]])
    assert_array_equal(binarize_mask(np.array([[255, 255]], np.uint8), rule), [[255, 255]])


def test_pixels_outside_the_region_are_ignored() -> None:
    mask = np.array([[0, 1], [0, 1]], np.uint8)
    assert_array_equal(ignore_outside(mask, np.array([[0, 0], [9, 255]])), [[255, 255], [0, 1]])


def test_share_of_foreground_leaves_ignored_pixels_out() -> None:
    assert foreground_share(np.array([[1, 0, 0, 0, 255, 255]], np.uint8)) == 0.25
    assert np.isnan(foreground_share(np.array([[255]], np.uint8)))
