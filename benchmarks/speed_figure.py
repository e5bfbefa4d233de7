"""The figure of docs/benchmarks.md: every ratio over its goal, or over its first entry where it has none."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmarks.history import Entry, runs
from prn_pipeline.reporting.theme import LIGHT, new_figure, quiet

#: Styles of lines: each takes ten names with a goal, which have ten colours; then all come again.
STYLES = ("-", "--", "-.", (0, (1, 1)))


def draw(history: Sequence[Entry]) -> bytes:
    """A PNG with a panel for each processor; runs that are not compared with others are drawn hollow.

    Ratios with a goal have colours and one legend for all panels; those without are grey.
    """
    processors = list(dict.fromkeys(one.processor for one in history))
    with_goal = list(dict.fromkeys(one.name for one in history if one.goal))
    colours = {name: f"C{number % 10}" for number, name in enumerate(with_goal)}
    lines: dict[str, Line2D] = {}
    figure = new_figure(7.5, 3.8 * len(processors))
    panels = figure.subplots(len(processors), 1, squeeze=False)[:, 0]
    for axes, processor in zip(panels, processors, strict=True):
        made = runs(one for one in history if one.processor == processor)
        for name in dict.fromkeys(one.name for run in made for one in run):
            points = [(x, one) for x, run in enumerate(made, 1) for one in run if one.name == name]
            whole = [one.goal or points[0][1].ratio for _, one in points]
            shares = [one.ratio / of for (_, one), of in zip(points, whole, strict=True)]
            colour = colours.get(name, LIGHT.muted)
            style = STYLES[with_goal.index(name) // 10 % len(STYLES)] if name in colours else ":"
            (line,) = axes.plot([x for x, _ in points], shares, linestyle=style, color=colour)
            lines.setdefault(name if name in colours else "without a goal: over its first entry", line)
            for (x, one), share in zip(points, shares, strict=True):
                axes.plot(x, share, "o", color=colour, markerfacecolor="none" if one.obstacle else None)
        axes.axhline(1, color=LIGHT.ink, linewidth=1)
        axes.set_yscale("log")
        axes.set_xlim(0.5, len(made) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(processor, fontsize=9)
        axes.set_xlabel("run, the oldest first; hollow: machine busy or code not committed", fontsize=8)
        axes.set_ylabel("ratio over its goal", fontsize=8)
        quiet(axes, "y")
    figure.legend(list(lines.values()), list(lines), fontsize=7, loc="outside right center")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()
