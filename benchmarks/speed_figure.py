"""The figure of docs/benchmarks.md: every ratio over its goal, or over its first entry where it has none."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from benchmarks.history import Entry, runs
from prn_pipeline.reporting.theme import LIGHT, new_figure, quiet


def draw(history: Sequence[Entry]) -> bytes:
    """A PNG with a panel for each processor; runs that are not compared with others are drawn hollow."""
    processors = list(dict.fromkeys(one.processor for one in history))
    figure = new_figure(7.5, 3.8 * len(processors))
    panels = figure.subplots(len(processors), 1, squeeze=False)[:, 0]
    for axes, processor in zip(panels, processors, strict=True):
        made = runs(one for one in history if one.processor == processor)
        for number, name in enumerate(dict.fromkeys(one.name for run in made for one in run)):
            points = [(x, one) for x, run in enumerate(made, 1) for one in run if one.name == name]
            whole = [one.goal or points[0][1].ratio for _, one in points]
            shares = [one.ratio / of for (_, one), of in zip(points, whole, strict=True)]
            style = "-" if points[-1][1].goal else ":"
            (line,) = axes.plot([x for x, _ in points], shares, style, color=f"C{number % 10}", label=name)
            for (x, one), share in zip(points, shares, strict=True):
                axes.plot(x, share, "o", color=line.get_color(), markerfacecolor="none" if one.obstacle else None)
        axes.axhline(1, color=LIGHT.ink, linewidth=1)
        axes.set_yscale("log")
        axes.set_xlim(0.5, len(made) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(processor, fontsize=9)
        axes.set_xlabel("run, the oldest first; hollow: machine busy or code not committed", fontsize=8)
        axes.set_ylabel("ratio over its goal,\ndotted: over its first entry", fontsize=8)
        axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.01, 0.5))
        quiet(axes, "y")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()
