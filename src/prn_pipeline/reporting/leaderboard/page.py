"""The leaderboard as one HTML page that needs nothing else, and as CSV and Markdown."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from prn_pipeline.reporting.cards import Card, draw_card
from prn_pipeline.reporting.leaderboard.figure_ranks import rank_diagram
from prn_pipeline.reporting.leaderboard.formats import COLUMNS, frame, label, markdown, runs
from prn_pipeline.reporting.leaderboard.mixed import mixed_settings
from prn_pipeline.reporting.leaderboard.ranks import Ranking, comparable_scores, rank_methods
from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun
from prn_pipeline.reporting.leaderboard.standings import Estimate, Standing, standings
from prn_pipeline.reporting.report import TEMPLATES
from prn_pipeline.reporting.theme import DARK, LIGHT
from prn_pipeline.reporting.wording import fixed


@dataclass(frozen=True)
class Leaderboard:
    """A finished leaderboard: texts of its files, and what they were made from.

    Attributes:
        trouble: runs without scores.
        mixed: what was averaged over runs of different settings; see `mixed_settings`.
    """

    html: str
    csv: str
    markdown: str
    standings: Sequence[Standing]
    ranking: Ranking
    trouble: Sequence[BenchmarkRun]
    mixed: Sequence[str]


def make_leaderboard(runs: Sequence[BenchmarkRun], folder: Path, provenance: Mapping[str, str]) -> Leaderboard:
    """Compare all methods of a benchmark.

    Args:
        runs: done, failed and missing ones.
        folder: that the page will lie in; reports are linked from there.
        provenance: commit, versions, date: label -> text.
    """
    found = standings(runs)
    ranking = rank_methods(
        *comparable_scores([(s.dataset, s.base_model, s.method, s.iou_of_seed) for s in found if s.kind != "bound"])
    )
    refiners = {one.method for one in found if one.kind == "refiner"}
    trouble = [run for run in runs if run.state != "done"]
    mixed = mixed_settings(runs)
    html = TEMPLATES.get_template("leaderboard.html.j2").render(
        light=LIGHT,
        dark=DARK,
        headline=headline(found, ranking),
        outcome=_outcome(found),
        tiles=tiles(runs, found),
        failed=[run for run in trouble if run.failure],
        missing_runs=[run for run in trouble if not run.failure],
        mixed=mixed,
        rank_card=rank_card(ranking, refiners),
        rank_note=rank_note(ranking),
        columns=COLUMNS,
        rows=[_row(one, folder) for one in found],
        datasets=list(dict.fromkeys(one.dataset for one in found)),
        base_models=list(dict.fromkeys(one.base_model for one in found)),
        methods={one.method: label(one.method) for one in found},
        provenance=provenance,
    )
    return Leaderboard(html, frame(found).to_csv(index=False), markdown(found), found, ranking, trouble, mixed)


def headline(found: Sequence[Standing], ranking: Ranking) -> str:
    """The finding in one sentence."""
    best = best_refiner(found)
    if best is None:
        return "No run has been run yet."
    gain = fixed(100 * mean_gain(found, best).mean, 1, signed=True)
    groups = sum(one.method == best for one in found)
    finding = (
        f"{label(best)} gains {gain} points over the base model, averaged over {_count(groups, 'pair')} of data set"
    )
    first = next(iter(ranking.ranks), "")
    if len(ranking.datasets) < 2 or best not in ranking.ranks:  # a ranking without it says nothing of it
        return f"{finding} and base model."
    return f"{finding} and base model; {label(first)} has the best average rank ({ranking.ranks[first]:.2f})."


def best_refiner(found: Sequence[Standing]) -> str | None:
    """The refiner with the highest mean gain, of those on most pairs: others had it easier, or harder."""
    pairs = Counter(one.method for one in found if one.kind == "refiner")
    most = [name for name, count in pairs.items() if count == max(pairs.values())]
    return max(most, key=lambda name: mean_gain(found, name).mean, default=None)


def mean_gain(found: Sequence[Standing], method: str) -> Estimate:
    """Over the pairs of data set and base model of a method.

    Data sets vary independently; base models of one share their images, so what these vary by does not average out.
    """
    gains: dict[str, list[Estimate]] = {}
    for one in found:
        if one.method == method:
            gains.setdefault(one.dataset, []).append(one.gain)
    pairs = sum(map(len, gains.values()))
    mean = sum(gain.mean for of_set in gains.values() for gain in of_set) / pairs
    halves = [
        len(of_set) * float(np.mean([(g.high - g.mean) ** 2 for g in of_set])) ** 0.5 for of_set in gains.values()
    ]
    half = math.sqrt(sum(half**2 for half in halves)) / pairs
    return Estimate(mean, mean - half, mean + half)


def tiles(runs: Sequence[BenchmarkRun], found: Sequence[Standing]) -> dict[str, str]:
    """The numbers beside the headline: label -> value."""
    states = [run.state for run in runs]
    counted = {
        "runs with scores": f"{states.count('done')} of {len(states)}",
        "data sets": str(len({one.dataset for one in found})),
        "base models": str(len({one.base_model for one in found})),
        "seeds": str(max((len(one.seeds) for one in found), default=0)),
    }
    return counted | ({"runs failed": str(states.count("failed"))} if "failed" in states else {})


def rank_card(ranking: Ranking, refiners: set[str]) -> Card | None:
    """The critical-difference diagram; None with fewer than two methods or data sets."""
    if len(ranking.ranks) < 2 or len(ranking.datasets) < 2:
        return None
    ranks = ", ".join(f"{label(name)} {rank:.2f}" for name, rank in ranking.ranks.items())
    return draw_card(
        "ranks",
        "Average rank over data sets",
        f"Methods on a line of average ranks: {ranks}. {rank_note(ranking)}",
        rank_note(ranking),
        partial(rank_diagram, ranking, refiners),
    )


def rank_note(ranking: Ranking) -> str:
    """What the two tests say."""
    many = f"{_count(len(ranking.datasets), 'data set')}, the mean of base models and seeds on each"
    note = f"Over {many}. {_tests(ranking)}"
    if ranking.left_out:
        names = ", ".join(map(label, ranking.left_out))
        note += f" Left out, for not having been run with the same data sets, base models and seeds: {names}."
    return note


def _tests(ranking: Ranking) -> str:
    if math.isnan(ranking.p):
        return "Too few, or no differences: no test (three methods and three data sets at least)."
    p = "p < 0.001" if ranking.p < 0.001 else f"p = {ranking.p:.3f}"
    if math.isnan(ranking.critical_difference):
        return f"Friedman test: {p}, no evidence that methods differ."
    return (
        f"Friedman test: {p}, methods differ. Ranks further apart than {ranking.critical_difference:.2f} differ"
        " (Nemenyi, 5 %); bars join those that do not."
    )


def _row(one: Standing, folder: Path) -> dict[str, object]:
    """A table row: what is shown, and what it sorts by."""
    sort = [
        len(one.seeds),
        one.iou.mean,
        one.gain.mean,
        one.rival_gain.mean,
        one.images_worse,
        one.parameters,
        one.gflop,
        one.milliseconds,
    ]
    reports = {seed: os.path.relpath(path, folder) for seed, path in (one.reports or {}).items()}
    return {
        "standing": one,
        "label": label(one.method),
        "runs": [
            {"text": text, "sort": "" if math.isnan(value) else repr(float(value))}
            for text, value in zip(runs(one), sort, strict=True)
        ],
        "reports": reports,
    }


def _outcome(found: Sequence[Standing]) -> str:
    """Class of the headline's frame: of the refiner that it speaks of."""
    best = best_refiner(found)
    if best is None:
        return "unknown"
    gain = mean_gain(found, best)
    return "better" if gain.low > 0 else "worse" if gain.high < 0 else "same"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
