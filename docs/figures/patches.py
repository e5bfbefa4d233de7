"""Why one threshold is not enough: a map with two patches that need different ones."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from docs.figures.example_maps import SIZE, example_maps, iou
from docs.figures.style import COLOURS, figure, without_ticks
from prn_pipeline.refinement import patch_pseudo_labels, tune_threshold

PATCH = 32
#: Candidate thresholds of the curves.
CANDIDATES = np.arange(0.02, 1, 0.02)


def probabilities() -> NDArray[np.float32]:
    """Of all example maps, float32 (N,S,S)."""
    return (1 / (1 + np.exp(-example_maps().logits))).astype(np.float32)


def chosen_scene() -> tuple[int, tuple[int, int], tuple[int, int]]:
    """The scene whose patches differ most in their best thresholds: its number, and rows and columns of two patches.

    Only patches with enough road for the threshold to matter, and that it separates well, are looked at.
    """
    masks = example_maps().masks
    labels = patch_pseudo_labels(probabilities(), masks, PATCH)
    cells = SIZE // PATCH
    roads = masks.reshape(-1, cells, PATCH, cells, PATCH).mean((2, 4))
    clear = (roads > 0.1) & (labels.iou > 0.55)
    low = np.where(clear, labels.thresholds, np.inf).reshape(len(masks), -1)
    high = np.where(clear, labels.thresholds, -np.inf).reshape(len(masks), -1)
    scene = int((high.max(1) - low.min(1)).argmax())
    first, second = (divmod(int(place), cells) for place in (low[scene].argmin(), high[scene].argmax()))
    return scene, first, second


def patch_figure() -> Figure:
    """Image, map, threshold of each patch, and the pseudo-labels that follow."""
    scene, *patches = chosen_scene()
    maps = example_maps()
    labels = patch_pseudo_labels(probabilities(), maps.masks, PATCH)
    drawing, axes = figure(1, 4, 9.6, 2.8)
    panels = (
        ("image", maps.images[scene], {}),
        ("map of the base model", probabilities()[scene], {"cmap": "magma", "vmin": 0, "vmax": 1}),
        ("best threshold of each patch", labels.thresholds[scene], {"cmap": "magma", "vmin": 0, "vmax": 1}),
        ("pseudo-labels", labels.labels[scene], {"cmap": "gray", "vmin": 0, "vmax": 1}),
    )
    for axis, (title, picture, options) in zip(axes, panels, strict=True):
        axis.imshow(picture, extent=(0, SIZE, SIZE, 0), interpolation="nearest", **options)
        axis.set_title(title, fontsize=9)
        without_ticks(axis)
        for (row, column), colour in zip(patches, COLOURS, strict=False):
            place = (column * PATCH, row * PATCH)
            axis.add_patch(Rectangle(place, PATCH, PATCH, fill=False, edgecolor=colour, linewidth=2))
    for row, values in enumerate(labels.thresholds[scene]):
        for column, value in enumerate(values):
            middle = ((column + 0.5) * PATCH, (row + 0.5) * PATCH)
            ink = "black" if value > 0.6 else "white"
            axes[2].annotate(f"{value:.2f}", middle, ha="center", va="center", fontsize=7, color=ink)
    return drawing


def threshold_figure() -> Figure:
    """IoU over the threshold, for the two patches and for all maps together."""
    scene, *patches = chosen_scene()
    maps, masks = probabilities(), example_maps().masks
    drawing, (axis,) = figure(1, 1, 6.4, 3.2)
    for (row, column), colour, name in zip(patches, COLOURS, ("one patch", "another patch"), strict=False):
        inside = np.s_[scene, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
        curve = [iou(maps[inside] > threshold, masks[inside]) for threshold in CANDIDATES]
        axis.plot(CANDIDATES, curve, color=colour, label=name)
        best = int(np.argmax(curve))
        axis.plot(CANDIDATES[best], curve[best], "o", color=colour)
    tuned = tune_threshold(maps, masks)
    axis.axvline(0.5, color="grey", linewidth=1, linestyle=":", label="0.5")
    axis.axvline(tuned, color="black", linewidth=1, linestyle="--", label=f"best for all maps: {tuned:.2f}")
    axis.set_xlabel("threshold")
    axis.set_ylabel("IoU")
    axis.set_ylim(0, 1)
    axis.legend(fontsize=8, frameon=False)
    return drawing
