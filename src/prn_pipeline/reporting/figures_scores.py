"""Gains over the rivals, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from prn_pipeline.reporting.headline import GAIN_RIVALS, outcome, points, points_interval
from prn_pipeline.reporting.theme import Theme, new_figure, quiet
from prn_pipeline.reporting.wording import METHOD_LABELS


def drawable_gains(gains: Mapping[str, Any]) -> dict[str, tuple[float, tuple[float, float]]]:
    """Rival -> (gain, interval) in points, for the rivals that have both."""
    found = {}
    for key in GAIN_RIVALS:
        gain = gains.get(key) or {}
        ends = points_interval(gain)
        if outcome(gain) != "unknown" and ends is not None:
            found[key] = (points(gain["iou_micro"]), ends)
    return found


def gain_intervals(gains: Mapping[str, Any], theme: Theme) -> Figure:
    """Each rival's gain as a point with its 95 % interval, beside the line of no difference.

    Args:
        gains: "gain" of the scores JSON, with at least one of `drawable_gains`.
        theme: Colours; orange where the refiner is worse, teal where better, grey where it cannot be told.
    """
    rows = drawable_gains(gains)
    figure = new_figure(5.2, 0.9 + 0.38 * len(rows))
    axes = figure.subplots()
    axes.axvline(0, color=theme.ink, linewidth=1)
    for height, (key, (gain, (low, high))) in enumerate(reversed(rows.items())):
        colour = {"better": theme.refiner, "worse": theme.over}.get(outcome(gains[key]), theme.base)
        axes.plot([low, high], [height, height], color=colour, linewidth=3)
        axes.plot([gain], [height], "o", color=colour, markersize=8, markeredgecolor=theme.card, markeredgewidth=1.5)
    axes.set_yticks(range(len(rows)), [METHOD_LABELS[GAIN_RIVALS[key]] for key in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_xlabel("gain in points of IoU micro, 95 % interval")
    axes.spines["left"].set_visible(False)
    quiet(axes, "x")
    axes.tick_params(axis="y", labelcolor=theme.ink)
    return figure
