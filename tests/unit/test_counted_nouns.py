"""Counts in messages agree with their nouns."""

import pytest

from prn_pipeline.errors import counted, counted_of


@pytest.mark.parametrize(
    ("number", "noun", "plural", "text"),
    [
        (0, "image", "", "0 images"),
        (1, "image", "", "1 image"),
        (2, "image", "", "2 images"),
        (1200, "image", "", "1,200 images"),
        (1, "category", "categories", "1 category"),
        (3, "category", "categories", "3 categories"),
    ],
)
def test_a_noun_agrees_with_its_number(number: int, noun: str, plural: str, text: str) -> None:
    assert counted(number, noun, plural) == text


@pytest.mark.parametrize(
    ("number", "total", "text"), [(1, 6, "1 of 6 images is"), (2, 6, "2 of 6 images are"), (0, 1, "0 of 1 images are")]
)
def test_a_verb_agrees_with_the_part_of_a_total(number: int, total: int, text: str) -> None:
    assert counted_of(number, total, "images") == text
