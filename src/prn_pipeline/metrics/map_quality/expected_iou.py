"""The expected IoU of a mask: what its maps promise, corrected by what such promises were worth on held-out images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit, logit

#: Statistics are kept this far from 0 and 1, so that their logits are finite.
EDGE = 0.01


class ExpectedIou(BaseModel):
    """A fitted estimate: expit(intercept + slope * logit(soft IoU) + agreement * (logit(agreement) - usual)).

    An intercept of 0, a slope of 1 and an agreement of 0 are the soft IoU as it is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    intercept: float
    slope: float
    agreement: float
    usual: float = Field(description="mean of logit(agreement) on the images that it was fitted on")
    images: int = Field(ge=1, description="number of those images")
    units: int = Field(ge=1, description="number of their groups")
    error: float = Field(ge=0, description="mean absolute error out of fold")
    error_of_mean: float = Field(ge=0, description="the same of the plain mean of the other images")
    rank_correlation: float = Field(description="Spearman's, of expected and true IoU out of fold")
    worst_found: float = Field(
        ge=0, le=1, description="share of the truly worst tenth of images that is in the worst fifth by expected IoU"
    )

    def of(self, statistics: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected IoU of images from their `quality_statistics` (N,2): float64 (N,) in (0, 1)."""
        columns = design(statistics, self.usual)
        return np.asarray(expit(columns @ [self.intercept, self.slope, self.agreement]))


def design(statistics: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """Columns of the linear predictor, float64 (N,3): 1, logit of the soft IoU, centred logit of the agreement."""
    soft, agreement = logit(statistics.clip(EDGE, 1 - EDGE)).T
    return np.column_stack([np.ones(len(soft)), soft, agreement - usual])


def mean_logit_agreement(statistics: NDArray[np.float64]) -> float:
    """`ExpectedIou.usual` of the images with these statistics (N,2)."""
    return float(logit(statistics[:, 1].clip(EDGE, 1 - EDGE)).mean())
