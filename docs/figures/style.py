"""How all figures of the pages look: on white, so that they read on a dark page too."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Blue and orange, which people with any kind of colour blindness tell apart.
COLOURS = ("#2a7fde", "#e8710a")


def figure(rows: int, columns: int, width: float, height: float) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes in a flat sequence."""
    drawing = Figure(figsize=(width, height), dpi=110, layout="constrained", facecolor="white")
    axes = drawing.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return drawing, axes


def without_ticks(axis: Axes) -> None:
    """Leave only the picture."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
