"""The paper's premise on this data: the optimal threshold and the bias differ from patch to patch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from prn_pipeline.reporting.theme import Theme, ink_on, new_figure, quiet
from prn_pipeline.reporting.wording import fixed

DEFAULT_THRESHOLD = 0.5
PAPER_LEVELS = 20
MAX_BARS = 40
MAX_ANNOTATED = 10  # patches side by side, over all maps: with more, their numbers would be too small to read
TALL_BAR = 2.5  # a bar this many times taller than the second is cut, to keep the others readable


def threshold_histogram(thresholds: np.ndarray, theme: Theme) -> Figure:
    """Histogram of the patches' optimal thresholds, with a line at p > 0.5.

    Args:
        thresholds: float (N, g, g); NaN is ignored; at least one value is finite.
        theme: colours.

    Returns:
        Figure; a bar that is much taller than all others is cut and labelled with its share.
    """
    values = np.clip(thresholds[np.isfinite(thresholds)], 0, 1)
    counts, edges = np.histogram(values, bins=threshold_bins(values))
    shares = 100 * counts / values.size
    ceiling = readable_height(shares)
    figure = new_figure(5.2, 3.7)
    axes = figure.subplots()
    axes.bar(
        edges[:-1], np.minimum(shares, ceiling), np.diff(edges), align="edge", color=theme.refiner, edgecolor=theme.card
    )
    for left, width, share in zip(edges[:-1], np.diff(edges), shares, strict=True):
        if share > ceiling:
            axes.text(left + width / 2, ceiling * 1.02, f"↑ {share:.0f} %", ha="center", va="bottom", color=theme.ink)
            axes.plot([left, left + width], [ceiling * 0.94, ceiling * 0.97], color=theme.card, linewidth=4)
    axes.axvline(DEFAULT_THRESHOLD, color=theme.card, linewidth=5)  # a gap separates the line from bars of any colour
    axes.axvline(DEFAULT_THRESHOLD, color=theme.over, linewidth=1.8)
    axes.set_ylim(0, ceiling * 1.16)
    axes.set_xlim(edges[0], edges[-1])
    axes.annotate(
        "p > 0.5", (DEFAULT_THRESHOLD, ceiling * 1.16), xytext=(6, -10), textcoords="offset points", color=theme.over
    )
    axes.set_xlabel("optimal threshold of a patch")
    axes.set_ylabel("patches (%)")
    quiet(axes)
    return figure


def threshold_bins(values: np.ndarray) -> np.ndarray:
    """Bin edges: one bar per level where thresholds come from few levels, otherwise equal bars.

    Args:
        values: float (n,) in [0, 1].

    Returns:
        float64 edges, increasing. Levels that are multiples of 1 / bars lie in the middle of their bars.
    """
    for bars in range(PAPER_LEVELS, MAX_BARS + 1):
        if np.allclose(values * bars, np.round(values * bars), rtol=0, atol=1e-4):
            return (np.arange(bars + 2) - 0.5) / bars
    return np.linspace(0, 1, MAX_BARS + 1)


def readable_height(shares: np.ndarray) -> float:
    """Height of the axis: the tallest bar, or just above the second where the tallest would flatten the others."""
    ranked = np.sort(shares)[::-1]
    if ranked.size > 1 and ranked[1] > 0 and ranked[0] > TALL_BAR * ranked[1]:
        return float(1.25 * ranked[1])
    return float(ranked[0])


def bias_colours(theme: Theme) -> LinearSegmentedColormap:
    """Blue where probabilities are too low, orange where too high, the theme's neutral colour in between."""
    return LinearSegmentedColormap.from_list("patch_bias", (theme.under, theme.neutral, theme.over))


def patch_bias_maps(biases: Mapping[str, np.ndarray], theme: Theme) -> Figure:
    """Mean of (probability - mask) by position in the image, side by side; zero is the middle of the colours.

    Args:
        biases: title -> float (g, g) in [-1, 1]; NaN patches are hatched. All maps share one colour scale.
        theme: colours.
    """
    limit = max(1e-3, *(float(np.abs(bias[np.isfinite(bias)]).max(initial=0.0)) for bias in biases.values()))
    colours, scale = bias_colours(theme), Normalize(-limit, limit)
    figure = new_figure(5.2, 3.9 if len(biases) == 1 else 2.7)
    every = figure.subplots(1, len(biases), squeeze=False)[0]
    for axes, (title, bias) in zip(every, biases.items(), strict=True):
        _draw_bias(axes, bias, colours, scale, theme, annotated=len(biases) * max(bias.shape) <= MAX_ANNOTATED)
        axes.set_title(title if len(biases) > 1 else "")
    bar = figure.colorbar(ScalarMappable(scale, colours), ax=list(every), shrink=0.82, pad=0.03, format=_percent)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    bar.ax.set_title("too high", fontsize=9, loc="left")
    bar.ax.set_xlabel("too low", fontsize=9, loc="left", color=theme.ink)
    return figure


def _draw_bias(
    axes: Axes, bias: np.ndarray, colours: Colormap, scale: Normalize, theme: Theme, annotated: bool
) -> None:
    rows, columns = bias.shape
    axes.add_patch(Rectangle((-0.5, -0.5), columns, rows, facecolor=theme.card, hatch="////", linewidth=0, zorder=-1))
    axes.imshow(np.ma.masked_invalid(bias), cmap=colours, norm=scale, interpolation="nearest")
    if annotated:
        for row, column in np.argwhere(np.isfinite(bias)):
            value = bias[row, column]
            text, ink = fixed(100 * value, 0 if (scale.vmax or 0) >= 0.1 else 1), ink_on(colours(scale(value)))
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _percent(value: float, _position: int) -> str:
    return f"{fixed(100 * value, 1, signed=True)} %"
