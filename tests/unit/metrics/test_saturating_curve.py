"""Fitted curves against scipy's bounded least squares, and at their bounds."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from prn_pipeline.metrics.saturating_curve import EXPONENTS, fit_curves

SIZES = (5, 10, 20, 50)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_the_parameters_of_an_exact_curve_are_found(exponent: float) -> None:
    gains = 0.04 - 0.2 * np.array(SIZES) ** -exponent
    curve = fit_curves(SIZES, gains[None])
    assert (curve.limit[0], curve.drop[0], curve.exponent[0]) == pytest.approx((0.04, 0.2, exponent))
    assert curve.at(100)[0] == pytest.approx(0.04 - 0.2 * 100**-exponent)


@pytest.mark.parametrize("most", [np.inf, 0.015])
def test_no_other_parameters_within_the_bounds_fit_better(most: float) -> None:
    gains = np.random.default_rng(0).normal(0.02, 0.01, (40, len(SIZES)))
    curves = fit_curves(SIZES, gains, most)
    assert len(curves.limit) == len(gains)
    for row, found in zip(gains, zip(*curves, strict=True), strict=True):
        costs = {}
        for exponent in EXPONENTS:
            matrix = np.stack([np.ones(len(SIZES)), -(np.array(SIZES) ** -exponent)], axis=1)
            oracle = lsq_linear(matrix, row, bounds=([-np.inf, 0], [most, np.inf]), method="bvls", tol=1e-14)
            costs[exponent] = 2 * oracle.cost
        limit, drop, exponent = found
        own = ((limit - drop * np.array(SIZES) ** -exponent - row) ** 2).sum()
        assert own == pytest.approx(min(costs.values()), rel=1e-6)
        assert drop >= 0
        assert limit <= most


def test_gains_that_fall_with_more_images_give_a_constant() -> None:
    curve = fit_curves(SIZES, np.array([[0.05, 0.04, 0.03, 0.02]]))
    assert curve.drop[0] == 0
    assert curve.at(5)[0] == curve.at(500)[0] == pytest.approx(0.035)


def test_a_curve_through_two_sizes_meets_both_and_has_the_first_exponent() -> None:
    curve = fit_curves((4, 16), np.array([[0.01, 0.03]]))
    assert curve.exponent[0] == EXPONENTS[0]
    assert [curve.at(4)[0], curve.at(16)[0]] == pytest.approx([0.01, 0.03])


@pytest.mark.parametrize("sizes", [(5,), (5, 5)])
def test_one_size_makes_no_curve(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="two different numbers of images"):
        fit_curves(sizes, np.zeros((1, len(sizes))))
