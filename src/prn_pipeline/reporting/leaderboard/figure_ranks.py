"""The critical-difference diagram: methods on a line of average ranks, bars over those that do not differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from prn_pipeline.reporting.labels import short_label_or_name
from prn_pipeline.reporting.leaderboard.ranks import Ranking
from prn_pipeline.reporting.theme import Theme, new_figure

WIDTH = 6.4  # inches
STEP = 0.36  # inches between two names
HEAD = 0.85  # inches above the axis
AXIS = 1.8  # inches between the best and the worst rank, at least
LETTER = 0.085  # inches of a bold letter


def rank_diagram(ranking: Ranking, refiners: set[str], theme: Theme) -> Figure:
    """Demsar's diagram, best on the left.

    Args:
        ranking: of at least two methods.
        refiners: names of the methods that are drawn in the refiner's colour.
        theme: colours.
    """
    names, ranks = list(ranking.ranks), list(ranking.ranks.values())
    most = len(names)
    half = -(-most // 2)
    alike = ranking.alike
    top = 0.25 + 0.16 * len(alike)
    height = HEAD + 0.16 * len(alike) + STEP * half
    span = max(most - 1, 1)
    sides = [_room(names[:half]), _room(names[half:])]
    width = max(WIDTH, sum(sides) + AXIS)
    inch = span / (width - sum(sides))  # in ranks
    figure = new_figure(width, height)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(1 - inch * sides[0], most + inch * sides[1])
    axes.set_ylim(-(top + STEP * half + 0.1), HEAD - 0.25)
    axes.plot([1, most], [0, 0], color=theme.muted, linewidth=1.2)
    for tick in range(1, most + 1):
        axes.plot([tick, tick], [0, 0.07], color=theme.muted, linewidth=1.2)
        axes.text(tick, 0.12, str(tick), ha="center", va="bottom", color=theme.muted)
    for number, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        left = number < half
        depth = -(top + STEP * (number if left else most - 1 - number) + 0.12)
        end = 1 - 0.04 * span if left else most + 0.04 * span
        colour = theme.refiner if name in refiners else theme.base
        axes.plot([rank, rank, end], [0, depth, depth], color=colour, linewidth=1.4)
        axes.plot([rank], [0], "o", color=colour, markersize=5)
        axes.text(
            end + (-0.02 if left else 0.02) * span,
            depth,
            f"{short_label_or_name(name)}  {rank:.2f}" if left else f"{rank:.2f}  {short_label_or_name(name)}",
            ha="right" if left else "left",
            va="center",
            color=theme.ink,
            fontweight="bold" if name in refiners else "normal",
        )
    for number, (first, last) in enumerate(alike):
        y = -(0.12 + 0.16 * number)
        axes.plot(
            [ranking.ranks[first] - 0.02 * span, ranking.ranks[last] + 0.02 * span],
            [y, y],
            color=theme.ink,
            linewidth=3.5,
        )
    if math.isfinite(ranking.critical_difference):
        end = 1 + ranking.critical_difference
        axes.plot([1, end], [0.5, 0.5], color=theme.ink, linewidth=1.6)
        axes.text(
            (1 + end) / 2, 0.54, f"critical difference {ranking.critical_difference:.2f}", ha="center", va="bottom"
        )
    return figure


def _room(names: Sequence[str]) -> float:
    """Inches beside the axis for the longest name with its rank."""
    return LETTER * (max((len(short_label_or_name(name)) for name in names), default=0) + len("  0.00") + 3)
