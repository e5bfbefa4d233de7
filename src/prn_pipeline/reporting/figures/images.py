"""IoU of each image before and after refinement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from prn_pipeline.reporting.theme import Theme, new_figure, quiet

GAIN_BARS = 31  # odd, so that one bar is centred on no change


class ImagePairs(NamedTuple):
    """IoU of the images where both are defined, float (n,) each; `undefined` counts the other images."""

    base: np.ndarray
    refined: np.ndarray
    undefined: int

    @property
    def better(self) -> int:
        """Images whose IoU rose."""
        return int((self.refined > self.base).sum())

    @property
    def worse(self) -> int:
        """Images whose IoU fell."""
        return int((self.refined < self.base).sum())


def image_pairs(per_image: pd.DataFrame) -> ImagePairs:
    """IoU before and after, of every image where both are defined; empty where the columns are missing."""
    if not {"iou_base", "iou_refined"} <= set(per_image.columns):
        return ImagePairs(np.empty(0), np.empty(0), 0)
    base, refined = (per_image[name].to_numpy(float) for name in ("iou_base", "iou_refined"))
    defined = np.isfinite(base) & np.isfinite(refined)
    return ImagePairs(base[defined], refined[defined], int((~defined).sum()))


def image_scatter(pairs: ImagePairs, refiner: str, theme: Theme) -> Figure:
    """IoU of each image before and after, on equal axes; points above the diagonal improved.

    Args:
        pairs: n >= 1 images.
        refiner: label of the refiner.
        theme: colours.
    """
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    change = pairs.refined - pairs.base
    alpha = 0.75 if change.size <= 500 else 0.35
    for sign, colour, marker in ((0, theme.base, "s"), (1, theme.refiner, "o"), (-1, theme.over, "v")):
        chosen = np.sign(change) == sign
        axes.scatter(
            pairs.base[chosen],
            pairs.refined[chosen],
            s=22,
            c=colour,
            marker=marker,
            alpha=alpha,
            linewidths=0,
            zorder=3,
        )
    axes.plot([0, 1], [0, 1], color=theme.muted, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
    axes.text(0.03, 0.96, f"▲ {pairs.better} better", transform=axes.transAxes, color=theme.refiner, va="top", size=11)
    axes.text(0.97, 0.04, f"▼ {pairs.worse} worse", transform=axes.transAxes, color=theme.over, ha="right", size=11)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel="IoU of the base model")
    axes.set_ylabel(f"IoU of {refiner}")
    quiet(axes, "both")
    return figure


def gain_histogram(pairs: ImagePairs, theme: Theme) -> Figure:
    """Histogram of the gain of each image in points of IoU, with zero in the middle.

    Args:
        pairs: n >= 1 images.
        theme: colours.
    """
    change = 100 * (pairs.refined - pairs.base)
    reach = max(float(np.abs(change).max()), 0.5)
    counts, edges = np.histogram(change, bins=GAIN_BARS, range=(-reach, reach))
    middles = (edges[:-1] + edges[1:]) / 2
    half_bar = reach / GAIN_BARS
    colours = [theme.base if abs(x) < half_bar else theme.refiner if x > 0 else theme.over for x in middles]
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    axes.bar(middles, counts, np.diff(edges), color=colours, edgecolor=theme.card)
    axes.axvline(0, color=theme.ink, linewidth=1)
    axes.set_xlabel("gain of an image in points of IoU")
    axes.set_ylabel("images")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.text(0.97, 0.96, "better", transform=axes.transAxes, color=theme.refiner, ha="right", va="top", size=11)
    axes.text(0.03, 0.96, "worse", transform=axes.transAxes, color=theme.over, va="top", size=11)
    quiet(axes)
    return figure
