"""Gains of refiners by the number of labelled images, with the fitted curves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from prn_pipeline.metrics.saturating_curve import Curves
from prn_pipeline.reporting.gains import points, points_interval
from prn_pipeline.reporting.labels import refiner_label
from prn_pipeline.reporting.theme import LIGHT, Theme, draw_png, new_figure, quiet

#: Points of a drawn curve.
RESOLUTION = 200
#: Horizontal distance of the refiners' points at one size, as a factor, so that intervals do not hide one another.
SPREAD = 0.035
#: Positions on the logarithmic axis closer than this factor share one label.
LABEL_DISTANCE = 1.25


def label_curve_png(curve: Mapping[str, Any]) -> bytes:
    """The figure in light colours, as PNG."""
    return draw_png(partial(gain_curves, curve, None), LIGHT)


def gain_curves(curve: Mapping[str, Any], own: str | None, theme: Theme) -> Figure:
    """Gain over the base model by the number of labelled images, on a logarithmic axis.

    Args:
        curve: content of label_curve.json.
        own: the refiner that is drawn first and in teal; None: the first one.
        theme: colours.
    """
    names = sorted(curve["refiners"], key=lambda name: name != own)
    figure = new_figure(5.8, 3.6)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.axhline(0, color=theme.ink, linewidth=1)
    axes.axvline(curve["labelled_images"], color=theme.muted, linewidth=1, linestyle=(0, (1, 2)))
    colours = [theme.refiner, theme.over, theme.under, theme.base, theme.ink]
    markers = ["o", "s", "D", "^", "v"]
    for place, name in enumerate(names):
        shift = np.exp(SPREAD * (place - (len(names) - 1) / 2))
        look = {"color": colours[place % len(colours)], "marker": markers[place % len(markers)]}
        _draw(axes, name, curve["refiners"][name], float(shift), theme, look)
    _label_sizes(axes, curve)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.set_xlabel("labelled images")
    axes.set_ylabel("gain in points of IoU micro")
    axes.legend(loc="best", handlelength=1.6)
    quiet(axes)
    return figure


def _draw(
    axes: Axes, name: str, of_refiner: Mapping[str, Any], shift: float, theme: Theme, look: Mapping[str, str]
) -> None:
    colour = look["color"]
    images = np.array([size["images"] for size in of_refiner["sizes"]])
    for place, size in zip(images, of_refiner["sizes"], strict=True):
        ends = points_interval(size["vs_base"])
        if ends is not None:
            axes.plot([place * shift] * 2, ends, color=colour, linewidth=2, alpha=0.45, solid_capstyle="butt")
    gains = [points(size["vs_base"]["iou_micro"]) for size in of_refiner["sizes"]]
    axes.plot(
        images * shift,
        gains,
        look["marker"],
        color=colour,
        markersize=6.5,
        markeredgecolor=theme.card,
        label=refiner_label({"refiner": name}),
    )
    forecast = of_refiner["forecast"]
    if forecast is None:
        return
    fitted = Curves(*(np.array([of_refiner["curve"][key]]) for key in Curves._fields))
    for first, last, style in (
        (images.min(), images.max(), "solid"),
        (images.max(), forecast["labelled"] + forecast["more"], "dotted"),
    ):
        if last > first:
            x = np.geomspace(first, last, RESOLUTION)
            values = [100 * float(fitted.at(at)[0]) for at in x]
            axes.plot(x, values, color=colour, linewidth=1.6, linestyle=style)


def _label_sizes(axes: Axes, curve: Mapping[str, Any]) -> None:
    """Ticks at the numbers of images that were measured, today's, and that of the forecast."""
    wanted = {size["images"] for one in curve["refiners"].values() for size in one["sizes"]}
    today = curve["labelled_images"]
    more = {
        one["forecast"]["labelled"] + one["forecast"]["more"] for one in curve["refiners"].values() if one["forecast"]
    }
    ticks: list[float] = []
    for place in sorted({*wanted, today, *more}):
        if not ticks or place >= LABEL_DISTANCE * ticks[-1]:
            ticks.append(place)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
