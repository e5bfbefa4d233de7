"""Which method is ahead over many data sets, and which differences in rank are more than chance (Demsar, 2006)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

#: Data set, base model, method, and its score of each seed.
Measured = tuple[str, str, str, Mapping[int, float]]
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
        left_out: methods that were not measured wherever the others were.
    """

    ranks: Mapping[str, float]
    datasets: tuple[str, ...]
    p: float
    critical_difference: float
    left_out: tuple[str, ...] = ()

    @property
    def alike(self) -> list[tuple[str, str]]:
        """Longest runs of neighbours whose ranks do not differ, each as (best, worst)."""
        names, values = list(self.ranks), list(self.ranks.values())
        if self.p >= SIGNIFICANCE:
            return [(names[0], names[-1])]  # tested, and nothing found
        runs: list[tuple[int, int]] = []
        for first, value in enumerate(values):
            last = max(i for i, other in enumerate(values) if other - value <= self.critical_difference or i == first)
            if last > first and not (runs and runs[-1][1] >= last):
                runs.append((first, last))
        return [(names[first], names[last]) for first, last in runs]


def rank_methods(scores: Mapping[str, Mapping[str, float]], left_out: tuple[str, ...] = ()) -> Ranking:
    """Rank methods by their scores on each data set; ties share their ranks.

    Args:
        scores: data set -> method -> score, higher is better. Only methods that every data set has are ranked: a rank
            among others is no rank.
        left_out: methods that have no such score.
    """
    datasets = tuple(scores)
    methods = [name for name in scores[datasets[0]] if all(name in scores[d] for d in datasets)] if datasets else []
    if not methods:
        return Ranking({}, datasets, math.nan, math.nan, left_out)
    table = np.array([[scores[dataset][method] for method in methods] for dataset in datasets])
    ranks = rankdata(-table, axis=1)
    order = np.argsort(ranks.mean(0), kind="stable")
    p = _friedman(table)
    difference = critical_difference(*table.shape) if p < SIGNIFICANCE else math.nan
    averages = {methods[i]: float(ranks[:, i].mean()) for i in order}
    return Ranking(averages, datasets, p, difference, left_out)


def _friedman(table: np.ndarray) -> float:
    datasets, methods = table.shape
    if datasets < LEAST_DATASETS or methods < LEAST_METHODS or (table == table[:, :1]).all():
        return math.nan
    return float(friedmanchisquare(*table.T).pvalue)


def critical_difference(datasets: int, methods: int) -> float:
    """Average ranks further apart than this differ (Nemenyi)."""
    q = studentized_range.ppf(1 - SIGNIFICANCE, methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * datasets)))


def comparable_scores(found: Sequence[Measured]) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """Scores of every data set that may be compared, and the methods that have none.

    A seed makes a base model better or worse, so that only means over the same seeds compare. A method that lacks a
    data set or a base model is left out; and so is, one after the other, the one that lacks most seeds, until all that
    are left share at least one seed of every base model.

    Args:
        found: (data set, base model, method, seed -> score).

    Returns:
        Data set -> method -> mean over base models of the mean over seeds that all these methods have; methods left
        out, in order.
    """
    groups: dict[tuple[str, str], dict[str, Mapping[int, float]]] = {}
    for dataset, base_model, method, of_seed in found:
        groups.setdefault((dataset, base_model), {})[method] = of_seed
    everyone = list(dict.fromkeys(method for _, _, method, _ in found))
    methods = [method for method in everyone if all(method in group for group in groups.values())]
    count = {method: sum(len(group[method]) for group in groups.values()) for method in methods}
    while methods and not all(_shared(group, methods) for group in groups.values()):
        methods.remove(min(reversed(methods), key=count.__getitem__))
    scores: dict[str, dict[str, float]] = {}
    for dataset in dict.fromkeys(name for name, _ in groups):
        own = [group for (name, _), group in groups.items() if name == dataset]
        scores[dataset] = {
            method: float(np.mean([np.mean([of[method][seed] for seed in _shared(of, methods)]) for of in own]))
            for method in methods
        }
    return scores, tuple(method for method in everyone if method not in methods)


def _shared(group: Mapping[str, Mapping[int, float]], methods: Sequence[str]) -> list[int]:
    """Seeds that all of these methods have."""
    return [seed for seed in group[methods[0]] if all(seed in group[method] for method in methods)]
