"""The card of average ranks: diagram, and what the two tests say."""

from __future__ import annotations

import math
from functools import partial

from prn_pipeline.reporting.cards.card import Card, draw_card
from prn_pipeline.reporting.labels import label_or_name
from prn_pipeline.reporting.leaderboard.figure_ranks import rank_diagram
from prn_pipeline.reporting.leaderboard.finding import count
from prn_pipeline.reporting.leaderboard.ranks import Ranking


def rank_card(ranking: Ranking, refiners: set[str]) -> Card | None:
    """The critical-difference diagram; None with fewer than two methods or data sets."""
    if len(ranking.ranks) < 2 or len(ranking.datasets) < 2:
        return None
    ranks = ", ".join(f"{label_or_name(name)} {rank:.2f}" for name, rank in ranking.ranks.items())
    return draw_card(
        "ranks",
        "Average rank over data sets",
        f"Methods on a line of average ranks: {ranks}. {rank_note(ranking)}",
        rank_note(ranking),
        partial(rank_diagram, ranking, refiners),
    )


def rank_note(ranking: Ranking) -> str:
    """Data sets, tests, and the methods that are not ranked."""
    data_sets = count(len(ranking.datasets), "data set")
    note = f"Over {data_sets}, each with its mean over base models and seeds. {_tests(ranking)}"
    if ranking.left_out:
        names = ", ".join(map(label_or_name, ranking.left_out))
        note += f" Not ranked, because they lack some of the data sets, base models or seeds: {names}."
    return note


def _tests(ranking: Ranking) -> str:
    if math.isnan(ranking.p):
        return "No test: it needs at least three methods, three data sets, and differences between methods."
    p = "p < 0.001" if ranking.p < 0.001 else f"p = {ranking.p:.3f}"
    if math.isnan(ranking.critical_difference):
        return f"Friedman test: {p}, no evidence that methods differ."
    return (
        f"Friedman test: {p}, methods differ. Ranks further apart than {ranking.critical_difference:.2f} differ"
        " (Nemenyi, 5 %); bars join methods that do not."
    )
