"""The figure and the table of `benchmarks.paper_claim`, in docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.results_page import PAGE, replace_mark
from benchmarks.situation_tables import gain_text, table
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.reporting.theme import LIGHT, Theme, draw_png, new_figure, quiet
from prn_pipeline.sweep.committed_results import RESULTS

KEPT = RESULTS / "paper_claim.json"
FIGURE = Path("docs/images/paper_claim.png")
MARK = "paper"
#: How a network's batch norms are used at inference -> how its line is drawn.
STYLES = {"running": "-", "batch": ":"}
LABELS = {"running": "", "batch": ", statistics of the batch"}


def write_page(found: Mapping[str, Any]) -> None:
    """Write the figure, and the table between its marks."""
    with atomic_write(FIGURE) as temporary:
        temporary.write_bytes(draw(found))
    replace_mark(PAGE, MARK, section(found))
    print(PAGE)


def section(found: Mapping[str, Any]) -> str:
    """Markdown: the figure, then a row per target and use of batch norms, and a column per number of maps."""
    if not found:
        return "Not measured yet."
    rows = [
        [f"{target}{LABELS[norm]}", *(gain_text(of_size[target]["gains"][norm]) for of_size in found.values())]
        for target, norm in _lines(found)
    ]
    base = next(iter(next(iter(found.values())).values()))["base"]
    picture = f"![Points over the base model, over the number of maps](images/{FIGURE.name})"
    head = [f"points over the base model ({base:.3f})", *(f"{size} maps" for size in found)]
    return f"{picture}\n\n{table(head, rows)}"


def draw(found: Mapping[str, Any]) -> bytes:
    """A PNG: gain over the number of maps, a line per target and use of batch norms."""

    def plot(theme: Theme) -> Figure:
        figure = new_figure(7.2, 3.8)
        axes = figure.subplots()
        colours: dict[str, Any] = {}
        for target, norm in _lines(found):
            gains = [100 * of_size[target]["gains"][norm]["iou_micro"] for of_size in found.values()]
            sizes = [int(size) for size in found]
            colour = colours.get(target)
            (line,) = axes.plot(sizes, gains, STYLES[norm], marker="o", markersize=4, color=colour)
            line.set_label(f"{target}{LABELS[norm]}")
            colours[target] = line.get_color()
        axes.axhline(0, color=theme.ink, linewidth=1)
        axes.set_xscale("log")
        axes.set_xticks([int(size) for size in found], list(found))
        axes.minorticks_off()
        axes.set_xlabel("maps to learn from")
        axes.set_ylabel("points of IoU micro over the base model")
        axes.legend(fontsize=7.5, loc="center left", bbox_to_anchor=(1, 0.5))
        quiet(axes, "y")
        return figure

    return draw_png(plot, LIGHT)


def _lines(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Targets that every size has, with each use of batch norms."""
    sizes = list(found.values())
    return [
        (target, norm)
        for target, one in sizes[0].items()
        if all(target in of_size for of_size in sizes)
        for norm in one["gains"]
    ]
