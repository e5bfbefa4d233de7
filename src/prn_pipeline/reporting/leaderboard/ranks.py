"""Which method is ahead over many data sets, and which differences in rank are more than chance (Demsar, 2006)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

#: Of both tests.
SIGNIFICANCE = 0.05
#: Below these the Friedman test says nothing.
LEAST_METHODS, LEAST_DATASETS = 3, 3


@dataclass(frozen=True)
class Ranking:
    """Average ranks over data sets; 1 is best.

    Attributes:
        ranks: method -> average rank, best first.
        datasets: that all of them were measured on.
        p: of the Friedman test that all methods are alike; NaN with too few methods or data sets.
        critical_difference: average ranks further apart than this differ (Nemenyi, 5 %); NaN where methods are alike.
    """

    ranks: Mapping[str, float]
    datasets: tuple[str, ...]
    p: float
    critical_difference: float

    @property
    def alike(self) -> list[tuple[str, str]]:
        """Longest runs of neighbours whose ranks do not differ, each as (best, worst)."""
        names, values = list(self.ranks), list(self.ranks.values())
        runs: list[tuple[int, int]] = []
        for first, value in enumerate(values):
            last = max(i for i, other in enumerate(values) if other - value <= self.critical_difference or i == first)
            if last > first and not (runs and runs[-1][1] >= last):
                runs.append((first, last))
        return [(names[first], names[last]) for first, last in runs]


def rank_methods(scores: Mapping[str, Mapping[str, float]]) -> Ranking:
    """Rank methods by their scores on each data set; ties share their ranks.

    Args:
        scores: data set -> method -> score, higher is better. Only methods that every data set has are ranked: a rank
            among others is no rank.
    """
    datasets = tuple(scores)
    methods = [name for name in scores[datasets[0]] if all(name in scores[d] for d in datasets)] if datasets else []
    if not methods:
        return Ranking({}, datasets, math.nan, math.nan)
    table = np.array([[scores[dataset][method] for method in methods] for dataset in datasets])
    ranks = rankdata(-table, axis=1)
    order = np.argsort(ranks.mean(0), kind="stable")
    p = _friedman(table)
    difference = critical_difference(*table.shape) if p < SIGNIFICANCE else math.nan
    return Ranking({methods[i]: float(ranks[:, i].mean()) for i in order}, datasets, p, difference)


def _friedman(table: np.ndarray) -> float:
    datasets, methods = table.shape
    if datasets < LEAST_DATASETS or methods < LEAST_METHODS or (table == table[:, :1]).all():
        return math.nan
    return float(friedmanchisquare(*table.T).pvalue)


def critical_difference(datasets: int, methods: int) -> float:
    """Average ranks further apart than this differ (Nemenyi)."""
    q = studentized_range.ppf(1 - SIGNIFICANCE, methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * datasets)))


def scores_by_dataset(found: Sequence[tuple[str, str, str, float]]) -> dict[str, dict[str, float]]:
    """Mean over base models of (data set, base model, method, score), of methods that all base models have."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for dataset, base_model, method, score in found:
        table.setdefault(dataset, {}).setdefault(base_model, {})[method] = score
    return {
        dataset: {
            method: float(np.mean([of_base[method] for of_base in bases.values()]))
            for method in next(iter(bases.values()))
            if all(method in of_base for of_base in bases.values())
        }
        for dataset, bases in table.items()
    }
