"""The finding of a benchmark in one sentence."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from prn_pipeline.reporting.gains import MIN_UNITS, Outcome
from prn_pipeline.reporting.labels import label_or_name
from prn_pipeline.reporting.leaderboard.estimates import UNKNOWN, Estimate
from prn_pipeline.reporting.leaderboard.ranks import MIN_DATASETS, Ranking
from prn_pipeline.reporting.leaderboard.standings import Standing
from prn_pipeline.reporting.wording import fixed, whole

Gain = Callable[[Standing], Estimate]


def over_best_free(one: Standing) -> Estimate:
    """The gain that the headline is about."""
    return one.best_free_gain


def over_base(one: Standing) -> Estimate:
    """The gain that stands beside it."""
    return one.gain


def finding(found: Sequence[Standing], ranking: Ranking, broken: bool = False, small: bool = False) -> str:
    """The best refiner against the best method that needs no training, and beside it against the base model.

    Args:
        found: standings over base models whose maps can be relied on, on test sets that are large enough.
        ranking: of the standings over such base models.
        broken: whether there are standings over others.
        small: whether there are standings on other test sets.
    """
    best = best_refiner(found)
    if best is None and small:
        return (
            f"No claim: no data set has the {MIN_UNITS} independent test images or groups that are needed at least to"
            " show a difference."
        )
    if best is None and broken:
        return "No claim: see the warnings about the base models."
    if best is None:
        return "No run has scores yet."
    pairs = sum(one.method == best for one in found)
    sentence = (
        f"{label_or_name(best)}: {_points(mean_gain(found, best, over_best_free))} over the best method that needs no"
        f" training, {_points(mean_gain(found, best, over_base))} over the base model; means over"
        f" {count(pairs, 'pair')} of data set and base model."
    )
    sentences = [sentence, _beside_the_mean(found, best), _wrong_pixels(found, best)]
    if best in ranking.ranks:  # a ranking that lacks the refiner says nothing about it
        sentences.append(significance(ranking))
    return " ".join(text for text in sentences if text)


def significance(ranking: Ranking) -> str:
    """The method that the test of ranks supports as the best; usually there is none."""
    if ranking.best is not None:
        return (
            f"{label_or_name(ranking.best)} is significantly best by average rank ({ranking.ranks[ranking.best]:.2f})."
        )
    if len(ranking.datasets) < MIN_DATASETS:
        return f"No method is significantly best: ranks need at least {MIN_DATASETS} data sets."
    return "No method is significantly best by average rank."


def _beside_the_mean(found: Sequence[Standing], best: str) -> str:
    """The median of the pairs and the mean of the means of data sets, which a single large gain does not carry."""
    gains: dict[str, list[float]] = {}
    for one in found:
        if one.method == best and not math.isnan(one.best_free_gain.mean):
            gains.setdefault(one.dataset, []).append(one.best_free_gain.mean)
    if sum(map(len, gains.values())) < 2:
        return ""
    median = float(np.median([gain for of_set in gains.values() for gain in of_set]))
    of_sets = float(np.mean([np.mean(of_set) for of_set in gains.values()]))
    return (
        f"Over the best free method, the median is {fixed(100 * median, 1, signed=True)} points and the mean over"
        f" {count(len(gains), 'data set')} {fixed(100 * of_sets, 1, signed=True)}."
    )


def _wrong_pixels(found: Sequence[Standing], best: str) -> str:
    added = added_wrong_pixels(found, best)
    return f"It gets {whole(added)} more pixels wrong than the best free methods." if added > 0 else ""


def added_wrong_pixels(found: Sequence[Standing], method: str) -> float:
    """Wrong pixels that a refiner adds to those of the best free methods, over all its pairs; 0 where unknown."""
    known = [one.wrong_pixels for one in found if one.method == method and not math.isnan(one.wrong_pixels)]
    return float(sum(known))


def finding_outcome(found: Sequence[Standing]) -> Outcome:
    """Outcome of the comparison in `finding`, which sets its colour."""
    best = best_refiner(found)
    if best is None:
        return "unknown"
    gain = mean_gain(found, best, over_best_free)
    if math.isnan(gain.mean):
        return "unknown"
    if gain.low > 0:
        return "mixed" if added_wrong_pixels(found, best) > 0 else "better"
    return "worse" if gain.high < 0 else "same"


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
