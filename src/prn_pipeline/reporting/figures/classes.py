"""Confusion of classes after refinement, and how refinement changed it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from prn_pipeline.reporting.theme import Theme, ink_on, new_figure

#: Change of a share, in points, at which the colours saturate.
LARGEST_CHANGE = 10.0
#: With more classes, numbers would not fit into the squares.
MAX_NUMBERED_CLASSES = 16


def confusion_matrices(base: np.ndarray, refined: np.ndarray, names: Sequence[str], theme: Theme) -> Figure:
    """Shares of each true class after refinement, and by how many points they changed.

    Args:
        base: pixels by true class (row) and predicted class (column) of the base model, int (C,C).
        refined: the same for the refiner.
        names: of the classes.
        theme: colours; orange where a share rose, blue where it fell.
    """
    figure = new_figure(10.6, 2.2 + 0.33 * len(names))
    left, right = figure.subplots(1, 2)
    before, after = shares(base), shares(refined)
    depth = LinearSegmentedColormap.from_list("share", [theme.card, theme.refiner])
    turn = LinearSegmentedColormap.from_list("change", [theme.under, theme.card, theme.over])
    _matrix(left, after, names, depth, Normalize(0, 100), "{:.0f}", theme)
    left.set_title("After refinement: % of the pixels of the true class")
    left.set_ylabel("true class")
    _matrix(right, after - before, names, turn, Normalize(-LARGEST_CHANGE, LARGEST_CHANGE), "{:+.1f}", theme)
    right.set_title("Change in points: on the diagonal, higher is better")
    return figure


def shares(confusion: np.ndarray) -> np.ndarray:
    """Percent of each row, float64 (C,C); NaN in rows without pixels."""
    total = confusion.sum(1, keepdims=True)
    return np.where(total > 0, 100 * confusion / np.maximum(total, 1), np.nan)


def _matrix(
    axes: Axes, values: np.ndarray, names: Sequence[str], colours: Colormap, scale: Normalize, form: str, theme: Theme
) -> None:
    axes.imshow(np.ma.masked_invalid(values), cmap=colours, norm=scale, interpolation="nearest")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.tick_params(length=0, labelcolor=theme.ink)
    axes.spines[:].set_visible(False)
    if len(names) > MAX_NUMBERED_CLASSES:
        return
    for (row, column), value in np.ndenumerate(values):
        text = form.format(value)
        if np.isfinite(value) and float(text) != 0:
            ink = ink_on(colours(scale(value)))
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
