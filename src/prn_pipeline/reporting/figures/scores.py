"""The refiner's gains, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from prn_pipeline.reporting.gains import claimed_outcomes, measured_gains, outcome, points, points_interval
from prn_pipeline.reporting.labels import short_label_or_name
from prn_pipeline.reporting.theme import Theme, new_figure, quiet


def drawable_gains(gains: Mapping[str, Any]) -> dict[str, tuple[float, tuple[float, float]]]:
    """Method -> (gain, interval) in points, for the methods that have both."""
    return {
        name: (points(gain["iou_micro"]), ends)
        for name, gain in measured_gains(gains).items()
        if outcome(gain) != "unknown" and (ends := points_interval(gain)) is not None
    }


def gain_intervals(scores: Mapping[str, Any], theme: Theme) -> Figure:
    """The gain over each method as a point with its 95 % interval, and a line at zero.

    Args:
        scores: the scores JSON, with at least one of `drawable_gains`.
        theme: colours; teal where the refiner is better, orange where worse, grey where the interval contains zero or
            nothing may be claimed.
    """
    rows, found = drawable_gains(scores["gain"]), claimed_outcomes(scores)
    figure = new_figure(5.2, 0.9 + 0.38 * len(rows))
    axes = figure.subplots()
    axes.axvline(0, color=theme.ink, linewidth=1)
    for height, (name, (gain, (low, high))) in enumerate(reversed(rows.items())):
        colour = {"better": theme.refiner, "worse": theme.over}.get(found[name], theme.base)
        axes.plot([low, high], [height, height], color=colour, linewidth=3)
        axes.plot([gain], [height], "o", color=colour, markersize=8, markeredgecolor=theme.card, markeredgewidth=1.5)
    axes.set_yticks(range(len(rows)), [short_label_or_name(name) for name in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_xlabel("gain in points of IoU micro, 95 % interval")
    axes.spines["left"].set_visible(False)
    quiet(axes, "x")
    axes.tick_params(axis="y", labelcolor=theme.ink)
    return figure
