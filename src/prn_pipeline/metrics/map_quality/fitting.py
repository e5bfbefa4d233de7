"""Fits the expected IoU to held-out images, and measures its error on images that it was not fitted on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import rankdata, spearmanr

from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou, design, mean_logit_agreement

#: The soft IoU as it is, and how strongly each weight is shrunk towards it: the constant less, as a promise that is
#: too high everywhere is the usual fault. On ECSSD's val maps the soft IoU of two models was right as it is; weights
#: fitted to 20 of them were off by 0.062 to 0.078 with 3 for all weights, and by 0.058 to 0.074 with these.
PLAIN = np.array([0.0, 1.0, 0.0])
SHRINKAGE = np.array([3.0, 10.0, 10.0])
#: Fewest independent units (groups; images without groups) to fit to, and to measure an error on.
LEAST_UNITS = 20


class Fitted(NamedTuple):
    """An estimate, or why there is none.

    Attributes:
        estimate: fitted to all images; None if there is none.
        reason: a clause; "" where there is an estimate.
    """

    estimate: ExpectedIou | None
    reason: str


def fit_expected_iou(
    statistics: NDArray[np.float64], ious: NDArray[np.float64], folds: NDArray[np.int64], units: int
) -> Fitted:
    """Fit an estimate, and measure it fold by fold on images that it was not fitted on.

    There is none if the units are too few, or if its squared error is not below that of the mean of other images.

    Args:
        statistics: `quality_statistics` of maps that no part of the refiner has learned from, (N,2).
        ious: true IoU of their masks, (N,).
        folds: fold of each image, for the measurement; groups are whole.
        units: number of groups.
    """
    if units < LEAST_UNITS:
        return Fitted(None, f"{units} held-out images or groups are too few to fit it to, {LEAST_UNITS} are needed")
    expected, means = np.empty(len(ious)), np.empty(len(ious))
    for fold in np.unique(folds):
        out = folds == fold
        usual = mean_logit_agreement(statistics[~out])
        expected[out] = expit(design(statistics[out], usual) @ _weights(design(statistics[~out], usual), ious[~out]))
        means[out] = ious[~out].mean()
    if np.mean((expected - ious) ** 2) >= np.mean((means - ious) ** 2):
        return Fitted(None, f"on {len(ious)} held-out images the maps do not tell good masks from bad ones")
    usual = mean_logit_agreement(statistics)
    intercept, slope, agreement = _weights(design(statistics, usual), ious).round(6).tolist()
    return Fitted(
        ExpectedIou(
            intercept=intercept,
            slope=slope,
            agreement=agreement,
            usual=round(usual, 6),
            images=len(ious),
            units=units,
            **measured(expected, ious),
            error_of_mean=_rounded(np.abs(means - ious).mean()),
        ),
        "",
    )


def measured(expected: NDArray[np.float64], ious: NDArray[np.float64]) -> dict[str, float]:
    """How well expected IoU (N,) fits true IoU (N,): `error`, `rank_correlation`, `worst_found` of `ExpectedIou`."""
    worst = np.argsort(ious, kind="stable")[: -(-len(ious) // 10)]
    suspects = rankdata(expected, "ordinal") <= -(-len(ious) // 5)
    return {
        "error": _rounded(np.abs(expected - ious).mean()),
        "rank_correlation": _rounded(np.nan_to_num(spearmanr(expected, ious).statistic)),
        "worst_found": _rounded(suspects[worst].mean()),
    }


def _weights(columns: NDArray[np.float64], ious: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of a logistic regression of shares, shrunk towards `PLAIN`: float64 (3,)."""

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits, away = columns @ weights, weights - PLAIN
        entropies = np.logaddexp(0, logits) - ious * logits
        slopes = columns.T @ (expit(logits) - ious) + SHRINKAGE * away
        return float(entropies.sum() + SHRINKAGE @ away**2 / 2), slopes

    return np.asarray(minimize(loss, PLAIN, jac=True, method="BFGS").x)


def _rounded(value: float) -> float:
    return round(float(value), 4)
