"""Numbers as text: what is not a number is never shown as one."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from prn_pipeline.reporting import wording


@pytest.mark.parametrize("value", [True, False, None, "1.5", "", [1.0], {}, object(), np.array([1.0, 2.0])])
def test_flags_texts_and_containers_are_no_numbers(value: object) -> None:
    assert math.isnan(wording.number(value))
    assert wording.fixed(value) == wording.duration(value) == wording.mebibytes(value) == wording.MISSING


@pytest.mark.parametrize("value", [0, 3, -2.5, np.float32(0.25), np.int64(7), Decimal("1.5"), Fraction(1, 4)])
def test_numbers_of_any_kind_keep_their_value(value: object) -> None:
    assert wording.number(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([0.1, 0.2], (0.1, 0.2)),
        ((1, 2), (1.0, 2.0)),
        ([0.1], None),
        ([0.1, None], None),
        ([math.nan, 1], None),
        ("12", None),
        (None, None),
        ([1, 2, 3], None),
        ([-math.inf, 1], None),
        ([True, 1], None),
    ],
)
def test_an_interval_has_two_finite_ends(value: object, expected: tuple[float, float] | None) -> None:
    assert wording.interval(value) == expected


@pytest.mark.parametrize(
    ("value", "digits", "signed", "expected"),
    [
        (0.12345, 3, False, "0.123"),
        (-0.5, 1, False, "−0.5"),
        (2, 1, True, "+2.0"),
        (-2, 0, True, "−2"),
        (-0.0004, 3, True, "0.000"),
        (0.0004, 3, True, "0.000"),
        (math.inf, 3, False, "–"),
    ],
)
def test_a_number_has_a_true_minus_and_zero_has_no_sign(value: float, digits: int, signed: bool, expected: str) -> None:
    assert wording.fixed(value, digits, signed) == expected


def test_three_decimals_and_no_plus_sign_are_the_default() -> None:
    assert wording.fixed(1) == "1.000"
    assert wording.bracket((0.1, -0.25)) == "[0.100, −0.250]"
    assert wording.bracket((1, 2), 1) == "[1.0, 2.0]"
    assert wording.bracket(None) == "–"


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "< 0.001"), (0.00099, "< 0.001"), (0.001, "0.001"), (0.5, "0.500"), (None, "–")]
)
def test_a_p_value_is_never_shown_as_zero(value: float | None, expected: str) -> None:
    assert wording.p_value(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_a_duration_rounds_up_into_the_next_unit(seconds: float, expected: str) -> None:
    assert wording.duration(seconds) == expected


@pytest.mark.parametrize(
    ("amount", "expected"), [(40 / 1024, "40 KiB"), (1, "1 MiB"), (850.4, "850 MiB"), (1434, "1.4 GiB")]
)
def test_memory_is_given_in_the_unit_that_fits(amount: float, expected: str) -> None:
    assert wording.mebibytes(amount) == expected


def test_no_line_ends_between_a_number_and_its_percent_sign() -> None:
    assert wording.unbroken("26 % of 100 %, a % b") == "26\N{NO-BREAK SPACE}% of 100\N{NO-BREAK SPACE}%, a % b"
    assert wording.unbroken(26) == 26
