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
from prn_pipeline.reporting.leaderboard.cells import Cell
from prn_pipeline.reporting.leaderboard.figure_ranks import rank_diagram
from prn_pipeline.reporting.leaderboard.formats import COLUMNS, cells, frame, label, markdown
from prn_pipeline.reporting.leaderboard.ranks import Ranking, rank_methods, scores_by_dataset
from prn_pipeline.reporting.leaderboard.standings import Standing, standings
from prn_pipeline.reporting.report import TEMPLATES
from prn_pipeline.reporting.theme import DARK, LIGHT
from prn_pipeline.reporting.wording import fixed


@dataclass(frozen=True)
class Leaderboard:
    """A finished leaderboard: texts of its files, and what they were made from."""

    html: str
    csv: str
    markdown: str
    standings: Sequence[Standing]
    ranking: Ranking
    trouble: Sequence[Cell]


def make_leaderboard(cells_of_it: Sequence[Cell], folder: Path, provenance: Mapping[str, str]) -> Leaderboard:
    """Compare all methods of a benchmark.

    Args:
        cells_of_it: done, failed and missing ones.
        folder: that the page will lie in; reports are linked from there.
        provenance: commit, versions, date: label -> text.
    """
    found = standings(cells_of_it)
    ranking = rank_methods(
        scores_by_dataset([(s.dataset, s.base_model, s.method, s.iou.mean) for s in found if s.kind != "bound"])
    )
    refiners = {one.method for one in found if one.kind == "refiner"}
    trouble = [cell for cell in cells_of_it if cell.state != "done"]
    html = TEMPLATES.get_template("leaderboard.html.j2").render(
        light=LIGHT,
        dark=DARK,
        headline=headline(found, ranking),
        outcome=_outcome(found),
        tiles=tiles(cells_of_it, found),
        failed=[cell for cell in trouble if cell.failure],
        missing_cells=[cell for cell in trouble if not cell.failure],
        rank_card=rank_card(ranking, refiners),
        rank_note=rank_note(ranking),
        columns=COLUMNS,
        rows=[_row(one, folder) for one in found],
        datasets=list(dict.fromkeys(one.dataset for one in found)),
        base_models=list(dict.fromkeys(one.base_model for one in found)),
        methods={one.method: label(one.method) for one in found},
        provenance=provenance,
    )
    return Leaderboard(html, frame(found).to_csv(index=False), markdown(found), found, ranking, trouble)


def headline(found: Sequence[Standing], ranking: Ranking) -> str:
    """The finding in one sentence."""
    refiners = [one for one in found if one.kind == "refiner"]
    if not refiners:
        return "No cell has been run yet."
    pairs = Counter(one.method for one in refiners)
    most = [name for name, count in pairs.items() if count == max(pairs.values())]  # others had it easier, or harder
    best = max(most, key=lambda name: _mean_gain(found, name))
    gain = fixed(100 * _mean_gain(found, best), 1, signed=True)
    groups = sum(one.method == best for one in refiners)
    finding = (
        f"{label(best)} gains {gain} points over the base model, averaged over {_count(groups, 'pair')} of data set"
    )
    first = next(iter(ranking.ranks), "")
    if len(ranking.datasets) < 2:
        return f"{finding} and base model."
    return f"{finding} and base model; {label(first)} has the best average rank ({ranking.ranks[first]:.2f})."


def tiles(cells_of_it: Sequence[Cell], found: Sequence[Standing]) -> dict[str, str]:
    """The numbers beside the headline: label -> value."""
    states = [cell.state for cell in cells_of_it]
    counted = {
        "cells with scores": f"{states.count('done')} of {len(states)}",
        "data sets": str(len({one.dataset for one in found})),
        "base models": str(len({one.base_model for one in found})),
        "seeds": str(max((len(one.seeds) for one in found), default=0)),
    }
    return counted | ({"cells failed": str(states.count("failed"))} if "failed" in states else {})


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
    if math.isnan(ranking.p):
        return f"Over {many}. Too few, or no differences: no test (three methods and three data sets at least)."
    p = "p < 0.001" if ranking.p < 0.001 else f"p = {ranking.p:.3f}"
    if math.isnan(ranking.critical_difference):
        return f"Over {many}. Friedman test: {p}, no evidence that methods differ."
    return (
        f"Over {many}. Friedman test: {p}, methods differ. Ranks further apart than"
        f" {ranking.critical_difference:.2f} differ (Nemenyi, 5 %); bars join those that do not."
    )


def _row(one: Standing, folder: Path) -> dict[str, object]:
    """A table row: what is shown, and what it sorts by."""
    sort = [
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
        "cells": [
            {"text": text, "sort": "" if math.isnan(value) else repr(float(value))}
            for text, value in zip(cells(one), sort, strict=True)
        ],
        "reports": reports,
    }


def _outcome(found: Sequence[Standing]) -> str:
    """Class of the headline's frame."""
    gains = [one.gain.mean for one in found if one.kind == "refiner"]
    return "unknown" if not gains else "better" if max(gains) > 0 else "worse"


def _mean_gain(found: Sequence[Standing], method: str) -> float:
    return float(np.mean([one.gain.mean for one in found if one.method == method]))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
