"""Mermaid's flow charts as pictures: the site loads no script, so it draws them when it is built."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

import networkx as nx
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from docs.figures.style import COLOURS

NODE = re.compile(r'(\w+)(?:\[(\(?)"(.*?)"\)?\])?')
ARROW = re.compile(r"-->|-\.->")
#: Inches between the middles of neighbouring layers, and of neighbours in a layer.
DOWN, ACROSS = 0.72, 2.5


class Chart(NamedTuple):
    """Edges between names; the text of a node, and whether it is an artefact and not a stage."""

    graph: nx.DiGraph
    texts: dict[str, str]
    artefacts: set[str]


def read_chart(text: str) -> Chart:
    """A chart of nodes `name`, `name["text"]` and `name[("text")]`, and of arrows in chains."""
    chart = Chart(nx.DiGraph(), {}, set())
    for line in text.splitlines()[1:]:
        names = []
        for part in ARROW.split(line.strip()):
            match = NODE.fullmatch(part.strip())
            assert match is not None, f"{part!r} of a chart is no node"
            names.append(match[1])
            if match[3]:
                chart.texts[match[1]] = match[3].replace("<br/>", "\n")
            chart.texts.setdefault(match[1], match[1])
            if match[2]:
                chart.artefacts.add(match[1])
        for start, end in itertools.pairwise(names):
            chart.graph.add_edge(start, end, dashed="-.->" in line)
    return chart


def places(graph: nx.DiGraph) -> dict[str, tuple[float, float]]:
    """Where each node is drawn: every edge points down, and nodes lie below the middle of those that lead to them."""
    spots: dict[str, tuple[float, float]] = {}
    for depth, layer in enumerate(nx.topological_generations(graph)):
        wanted = {name: _middle([spots[above][0] for above in graph.predecessors(name)]) for name in layer}
        order = sorted(layer, key=lambda name: (wanted[name], name))
        centre = _middle(list(wanted.values()))
        for number, name in enumerate(order):
            spots[name] = (centre + (number - (len(order) - 1) / 2) * ACROSS, -depth * DOWN)
    return spots


def _middle(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def draw_chart(text: str) -> Figure:
    """The chart from top to bottom."""
    chart = read_chart(text)
    spots = places(chart.graph)
    xs, ys = zip(*spots.values(), strict=True)
    left, right, low = min(xs) - 1.4, max(xs) + 1.4, min(ys) - 0.4
    drawing = Figure(figsize=(right - left, 0.4 - low), facecolor="white")
    axis = drawing.add_axes((0, 0, 1, 1))
    axis.set(xlim=(left, right), ylim=(low, 0.4))
    axis.set_axis_off()
    for start, end, dashed in chart.graph.edges(data="dashed"):
        far = spots[start][1] - spots[end][1] > 1.5 * DOWN
        bend = (0.25 if spots[start][0] <= spots[end][0] else -0.25) if far else 0.0
        style = {"linestyle": "--" if dashed else "-", "connectionstyle": f"arc3,rad={bend}", "mutation_scale": 9}
        axis.add_patch(
            FancyArrowPatch(spots[start], spots[end], arrowstyle="-|>", color="#888", shrinkA=14, shrinkB=15, **style)
        )
    for name, (x, y) in spots.items():
        colour, corner = (COLOURS[0], "round4") if name in chart.artefacts else (COLOURS[1], "square")
        box = {"boxstyle": f"{corner},pad=0.35", "facecolor": "white", "edgecolor": colour}
        axis.text(x, y, chart.texts[name], ha="center", va="center", fontsize=7.5, bbox=box, linespacing=1.1)
    return drawing
