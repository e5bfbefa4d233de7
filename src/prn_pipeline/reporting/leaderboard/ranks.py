"""Average ranks of methods over data sets, and which differences are significant (Demsar, 2006)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

#: Data set, base model, method, and its score of each seed.
Measured = tuple[str, str, str, Mapping[int, float]]
#: Level of both tests.
SIGNIFICANCE = 0.05
#: The Friedman test needs at least these.
MIN_METHODS, MIN_DATASETS = 3, 3


@dataclass(frozen=True)
class Ranking:
    """Average ranks over data sets; 1 is best.

    Attributes:
        ranks: method -> average rank, best first.
        datasets: on which all methods were measured.
        p: of the Friedman test that all methods perform alike; NaN with too few methods or data sets.
        critical_difference: average ranks further apart than this differ (Nemenyi, 5 %); NaN where methods do not.
        left_out: methods that were not measured on all data sets, base models and seeds of the others.
    """

    ranks: Mapping[str, float]
    datasets: tuple[str, ...]
    p: float
    critical_difference: float
    left_out: tuple[str, ...] = ()

    @property
    def best(self) -> str | None:
        """The method that is significantly better than the second; None where the tests do not support one."""
        first, second = [*self.ranks.values(), math.nan, math.nan][:2]
        supported = self.p < SIGNIFICANCE and second - first > self.critical_difference
        return next(iter(self.ranks)) if supported else None

    @property
    def alike(self) -> list[tuple[str, str]]:
        """Longest sequences of neighbours whose ranks do not differ, each as (best, worst)."""
        names, values = list(self.ranks), list(self.ranks.values())
        if self.p >= SIGNIFICANCE:
            return [(names[0], names[-1])]  # tested, and no difference found
        spans: list[tuple[int, int]] = []
        for first, value in enumerate(values):
            last = max(i for i, other in enumerate(values) if other - value <= self.critical_difference or i == first)
            if last > first and not (spans and spans[-1][1] >= last):
                spans.append((first, last))
        return [(names[first], names[last]) for first, last in spans]


def rank_methods(scores: Mapping[str, Mapping[str, float]], left_out: tuple[str, ...] = ()) -> Ranking:
    """Rank methods by their scores on each data set; ties share their ranks.

    Args:
        scores: data set -> method -> score, higher is better. Only methods that every data set has are ranked, because
            ranks among different methods do not compare.
        left_out: methods without a comparable score; passed on.
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
    if datasets < MIN_DATASETS or methods < MIN_METHODS or (table == table[:, :1]).all():
        return math.nan
    return float(friedmanchisquare(*table.T).pvalue)


def critical_difference(datasets: int, methods: int) -> float:
    """Average ranks further apart than this differ (Nemenyi)."""
    q = studentized_range.ppf(1 - SIGNIFICANCE, methods, np.inf) / math.sqrt(2)
    return float(q * math.sqrt(methods * (methods + 1) / (6 * datasets)))


def comparable_scores(found: Sequence[Measured]) -> tuple[dict[str, dict[str, float]], tuple[str, ...]]:
    """Scores of every data set that can be compared, and the methods that have none.

    A seed makes a base model better or worse, so only means over the same seeds compare. A method that lacks a data
    set or a base model is left out. Then the method with the fewest seeds is left out, one after the other, until all
    remaining methods share at least one seed of every base model.

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
