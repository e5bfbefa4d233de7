"""The finding of a benchmark in one sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from prn_pipeline.reporting.gains import Outcome
from prn_pipeline.reporting.labels import label_or_name
from prn_pipeline.reporting.leaderboard.estimates import UNKNOWN, Estimate
from prn_pipeline.reporting.leaderboard.ranks import Ranking
from prn_pipeline.reporting.leaderboard.standings import Standing
from prn_pipeline.reporting.wording import fixed

Gain = Callable[[Standing], Estimate]


def over_best_free(one: Standing) -> Estimate:
    """The gain that the headline is about."""
    return one.best_free_gain


def over_base(one: Standing) -> Estimate:
    """The gain that stands beside it."""
    return one.gain


def finding(found: Sequence[Standing], ranking: Ranking) -> str:
    """The best refiner against the best method that needs no training, and beside it against the base model."""
    best = best_refiner(found)
    if best is None:
        return "No run has scores yet."
    pairs = sum(one.method == best for one in found)
    sentence = (
        f"{label_or_name(best)}: {_points(mean_gain(found, best, over_best_free))} over the best method that needs no"
        f" training, {_points(mean_gain(found, best, over_base))} over the base model; means over"
        f" {count(pairs, 'pair')} of data set and base model."
    )
    first = next(iter(ranking.ranks), "")
    if len(ranking.datasets) < 2 or best not in ranking.ranks:  # a ranking that lacks the refiner says nothing about it
        return sentence
    return f"{sentence} {label_or_name(first)} has the best average rank ({ranking.ranks[first]:.2f})."


def finding_outcome(found: Sequence[Standing]) -> Outcome:
    """Outcome of the comparison in `finding`, which sets its colour."""
    best = best_refiner(found)
    if best is None:
        return "unknown"
    gain = mean_gain(found, best, over_best_free)
    if math.isnan(gain.mean):
        return "unknown"
    return "better" if gain.low > 0 else "worse" if gain.high < 0 else "same"


def best_refiner(found: Sequence[Standing]) -> str | None:
    """The refiner with the highest mean gain among those that were run on the most pairs of data set and base model."""
    pairs = Counter(one.method for one in found if one.kind == "refined")
    most = [name for name, number in pairs.items() if number == max(pairs.values())]
    return max(most, key=lambda name: np.nan_to_num(mean_gain(found, name, over_best_free).mean, nan=-1), default=None)


def mean_gain(found: Sequence[Standing], method: str, gain: Gain) -> Estimate:
    """Mean over a method's pairs of data set and base model.

    Data sets vary independently. Base models on one data set share its images, so their variance over images does not
    average out.

    Args:
        found: all standings.
        method: name.
        gain: the estimate to average; standings where it is unknown are ignored.
    """
    gains: dict[str, list[Estimate]] = {}
    for one in found:
        if one.method == method and not math.isnan(gain(one).mean):
            gains.setdefault(one.dataset, []).append(gain(one))
    if not gains:
        return UNKNOWN
    pairs = sum(map(len, gains.values()))
    mean = sum(one.mean for of_set in gains.values() for one in of_set) / pairs
    halves = [
        len(of_set) * float(np.mean([(one.high - one.mean) ** 2 for one in of_set])) ** 0.5 for of_set in gains.values()
    ]
    half = math.sqrt(sum(half**2 for half in halves)) / pairs
    return Estimate(mean, mean - half, mean + half)


def count(number: int, noun: str) -> str:
    """ "1 pair", "2 pairs"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _points(gain: Estimate) -> str:
    mean, low, high = (100 * value for value in gain)
    return f"{fixed(mean, 1, signed=True)} points [{fixed(low, 1)}, {fixed(high, 1)}]"
