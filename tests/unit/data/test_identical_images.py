"""Duplicates join groups, and may not be in two given splits."""

import logging

import pytest

from prn_pipeline.data.splits.duplicates import join_identical, refuse_identical_across, warn_of_identical
from prn_pipeline.errors import UserError


def test_groups_that_share_an_image_become_one_also_through_a_third() -> None:
    groups = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "c1": "c", "d1": "d"}
    content = {"a1": "x", "a2": "y", "b1": "y", "b2": "z", "c1": "z", "d1": "w"}
    joined = join_identical(groups, content)
    assert joined == {"a1": "a", "a2": "a", "b1": "a", "b2": "a", "c1": "a", "d1": "d"}


def test_different_images_leave_groups_unchanged() -> None:
    groups = {"a": "g", "b": "h"}
    assert join_identical(groups, {"a": "x", "b": "y"}) == groups


def test_repeated_images_are_named_in_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_identical("roads", {"a": "x", "b": "y", "c": "x"}, {"a": "m", "b": "n", "c": "m"})
    assert "a = c" in caplog.text
    assert "'roads'" in caplog.text
    assert "different masks" not in caplog.text


def test_repeated_images_whose_masks_differ_contradict_each_other(caplog: pytest.LogCaptureFixture) -> None:
    masks = {"a": "m", "b": "n", "c": "m", "d": "o"}
    with caplog.at_level(logging.WARNING):
        warn_of_identical("roads", {"a": "x", "b": "y", "c": "x", "d": "y"}, masks)
    assert "2 images occur more than once" in caplog.text
    assert "1 of them have different masks, such as b = d" in caplog.text


def test_an_image_in_two_given_splits_is_refused_and_one_in_a_single_split_is_not() -> None:
    content = {"a": "x", "b": "x", "c": "y"}
    refuse_identical_across({"a": "train", "b": "train", "c": "test"}, content)
    with pytest.raises(UserError, match=r"a \(train\) = b \(test\).*ratio"):
        refuse_identical_across({"a": "train", "b": "test", "c": "test"}, content)
