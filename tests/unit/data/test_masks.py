import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from prn_pipeline.data.file_settings import MaskSettings
from prn_pipeline.data.readers.masks import binarize_mask, foreground_share, ignore_outside
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


def advice(values: np.ndarray) -> str:
    with pytest.raises(UserError) as refused:
        binarize_mask(values, AUTOMATIC)
    return str(refused.value)


@pytest.mark.parametrize("count", [3, 40, 255, 3000])
def test_ids_of_instances_are_advised_a_threshold_of_0(count: int) -> None:
    ids = np.zeros((200, 200), np.int64)
    ids.flat[: 10 * count] = np.repeat(np.arange(1, count + 1), 10)
    assert "`mask: {threshold: 0}`" in advice(ids)
    assert "threshold: 127" not in advice(ids)


def test_a_soft_or_jpeg_mask_is_advised_the_middle() -> None:
    with Image.open(jpeg_of(np.repeat([0, 255, 0, 255], 19))) as picture:
        assert "`mask: {threshold: 12" in advice(np.asarray(picture))
    edges = np.tile(np.concatenate([np.zeros(30), np.linspace(0, 65535, 9), np.full(30, 65535)]).astype(int), (9, 1))
    assert "`mask: {threshold: 32767}`" in advice(edges)


def test_classes_far_apart_are_advised_to_be_named_and_255_may_be_void() -> None:
    assert "values: [...]" in advice(np.array([[0, 127, 255]]))
    assert "threshold: 127" not in advice(np.array([[0, 127, 255]]))
    assert "add `ignore_values: [255]`" in advice(np.array([[0, 1, 255]]))


def jpeg_of(row: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(np.tile(row.astype(np.uint8), (64, 1))).save(file, "JPEG", quality=80)
    return file
