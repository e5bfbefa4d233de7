"""Calibration of the maps, and where their wrong pixels are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from prn_pipeline.metrics.map_statistics import MapStatistics
from prn_pipeline.reporting.theme import Theme, new_figure, quiet


def reliability_diagram(maps: Mapping[str, MapStatistics], theme: Theme) -> Figure:
    """Share of foreground among pixels of similar probability; calibrated maps lie on the diagonal.

    Args:
        maps: label -> statistics; the base model first.
        theme: colours.
    """
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, linestyle=(0, (4, 3)))
    for (name, statistics), colour, marker in zip(maps.items(), (theme.base, theme.refiner), "so", strict=False):
        number, probability, frequency = statistics.reliability.T
        filled = number > 0
        sizes = 14 + 90 * np.sqrt(number[filled] / number.sum())
        axes.plot(probability[filled], frequency[filled], color=colour, linewidth=1.6)
        axes.scatter(probability[filled], frequency[filled], s=sizes, color=colour, marker=marker, label=name, zorder=3)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal", xlabel="predicted probability")
    axes.set_ylabel("observed share of foreground")
    axes.legend(loc="upper left")
    quiet(axes, "both")
    return figure


def error_places(maps: Mapping[str, MapStatistics], theme: Theme) -> Figure:
    """Wrong pixels near the outline of the truth and elsewhere, as a share of the true foreground.

    Args:
        maps: label -> statistics.
        theme: colours; orange for false positives, blue for false negatives.
    """
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    width, gap = 0.36, 0.04
    for place in range(2):
        for number, (name, statistics) in enumerate(maps.items()):
            x = place + (number - (len(maps) - 1) / 2) * (width + gap)
            below = 0.0
            for kind, colour in enumerate((theme.over, theme.under)):
                share = 100 * statistics.errors[kind, place] / max(statistics.foreground, 1)
                axes.bar(x, share, width, bottom=below, color=colour, edgecolor=theme.card)
                below += share
            axes.annotate(name, (x, below), xytext=(0, 3), textcoords="offset points", ha="center", color=theme.ink)
    axes.set_xticks([0, 1], ["near the outline", "elsewhere"])
    axes.set_ylabel("wrong pixels (% of true foreground)")
    axes.margins(y=0.14)
    for colour, text, right in ((theme.over, "false positives", 0.64), (theme.under, "false negatives", 1.0)):
        # above the axes, where no bar reaches
        axes.text(right, 1.02, f"■ {text}", transform=axes.transAxes, color=colour, ha="right", va="bottom")
    quiet(axes)
    axes.tick_params(axis="x", labelcolor=theme.ink)
    return figure
