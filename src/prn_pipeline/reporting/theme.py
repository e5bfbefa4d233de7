"""How a figure gets its colours, and becomes a PNG."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from prn_pipeline.reporting.colours import DARK, LIGHT, Theme

__all__ = [
    "DARK",
    "DOTS_PER_INCH",
    "LIGHT",
    "Theme",
    "draw_png",
    "ink_on",
    "luminance",
    "new_figure",
    "quiet",
    "styled",
]

DOTS_PER_INCH = 160  # twice what a page shows, for print and high-density screens


def styled(theme: Theme) -> AbstractContextManager[None]:
    """Context in which matplotlib draws in this theme; global settings do not change."""
    return mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 9.5,
            "figure.facecolor": theme.card,
            "savefig.facecolor": theme.card,
            "axes.facecolor": theme.card,
            "axes.edgecolor": theme.line,
            "axes.labelcolor": theme.muted,
            "axes.titlecolor": theme.ink,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "text.color": theme.ink,
            "xtick.color": theme.line,
            "ytick.color": theme.line,
            "xtick.labelcolor": theme.muted,
            "ytick.labelcolor": theme.muted,
            "grid.color": theme.line,
            "grid.linewidth": 0.8,
            "hatch.color": theme.base,
            "hatch.linewidth": 0.7,
            "legend.frameon": False,
            "lines.solid_capstyle": "round",
        }
    )


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of width x height inches, outside pyplot's global state; draw and save it inside `styled`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def quiet(axes: Axes, grid: str = "y") -> None:
    """A light grid along one axis ("x", "y" or "both"), and no tick marks."""
    axes.grid(True, axis=grid)  # type: ignore[arg-type]
    axes.tick_params(length=0)


def ink_on(ground: tuple[float, ...]) -> str:
    """Black or white, whichever contrasts more with RGB in [0, 1]; one always reaches a contrast of 4.5 (WCAG)."""
    return "#000000" if luminance(ground) > 0.179 else "#ffffff"


def luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance (WCAG 2) of an RGB colour in [0, 1]."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def draw_png(draw: Callable[[Theme], Figure], theme: Theme) -> bytes:
    """The figure of `draw` in a theme, as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    with styled(theme):
        draw(theme).savefig(
            buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None}, pil_kwargs={"optimize": True}
        )
    return buffer.getvalue()
