"""All comparisons with one champion together keep one level."""

import pytest

from prn_pipeline.serving.looks import alpha_of


def test_the_error_probabilities_of_all_looks_sum_to_the_level() -> None:
    total = sum(alpha_of(look, 0.05) for look in range(1, 100_001))
    assert 0.0497 < total <= 0.05


def test_later_looks_get_less() -> None:
    alphas = [alpha_of(look, 0.05) for look in range(1, 31)]
    assert alphas == sorted(set(alphas), reverse=True)
    assert alphas[0] == pytest.approx(0.05 / 2.612375, rel=1e-5)
    assert alphas[19] > 0.05 / 1.644934 / 20**2, "night 20 keeps more than with the shares of 1 / n^2"


def test_looks_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1, got 0"):
        alpha_of(0, 0.05)
