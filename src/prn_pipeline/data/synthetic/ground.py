"""The ground of a drawn scene: a patchwork of fields with mottled soil, furrows and grassy margins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.synthetic.noise import Field, blend, octaves, smooth_field, unit_grid

# Colours in [0, 1]; the fallows are the colours of roads on purpose.
PASTURE, YOUNG_CROP, MEADOW, OLIVE = (0.35, 0.44, 0.23), (0.43, 0.53, 0.27), (0.28, 0.38, 0.20), (0.44, 0.43, 0.27)
WHEAT, STUBBLE, PLOUGHED = (0.71, 0.61, 0.39), (0.64, 0.56, 0.41), (0.46, 0.36, 0.27)
PALE_FALLOW, GREY_FALLOW = (0.69, 0.62, 0.51), (0.51, 0.49, 0.46)
CROPS = np.array(
    [PASTURE, YOUNG_CROP, MEADOW, OLIVE, WHEAT, STUBBLE, PLOUGHED, PALE_FALLOW, GREY_FALLOW], dtype=np.float32
)
WOODLAND_FLOOR = np.array((0.20, 0.27, 0.15), dtype=np.float32)
MARGIN = np.array((0.40, 0.44, 0.26), dtype=np.float32)


@dataclass(frozen=True)
class Ground:
    """Bare land before roads are built.

    Attributes:
        colours: float32 (3,S,S) in about [0, 1].
        borders: bool (S,S), true along the edges of plots.
        woodland: bool (S,S), true where a plot is wooded.
        heading: angle of the plots' long sides, radians.
    """

    colours: Field
    borders: NDArray[np.bool_]
    woodland: NDArray[np.bool_]
    heading: float


def draw_ground(rng: np.random.Generator, size: int) -> Ground:
    """Cut the land into plots and sow each with its own crop, furrows and soil."""
    heading = float(rng.uniform(0, np.pi))
    plots = cut_plots(rng, size, heading, cuts=int(rng.integers(6, 13)))
    count = int(plots.max()) + 1
    wooded = rng.random(count) < 0.12
    crops = CROPS[rng.integers(len(CROPS), size=count)] * rng.uniform(0.88, 1.12, (count, 1)).astype(np.float32)
    crops[wooded] = WOODLAND_FLOOR
    colours = crops.T[:, plots]

    relief = 1 + 0.10 * _furrows(rng, size, plots, heading)
    mottling = rng.uniform(0.05, 0.2, count).astype(np.float32)[plots]
    relief += mottling * octaves(rng, size, (7, 18, 48))
    relief += 0.05 * smooth_field(rng, size, 110)
    warmth = 0.04 * smooth_field(rng, size, 9)
    colours = colours * np.stack([relief + warmth, relief, relief - warmth])

    borders = plot_borders(plots)
    colours = blend(colours, MARGIN[:, None, None] * relief, 0.55 * borders.astype(np.float32))
    return Ground(colours, borders, wooded[plots], heading)


def cut_plots(rng: np.random.Generator, size: int, heading: float, cuts: int) -> NDArray[np.intp]:
    """Cut the largest plot in two, again and again, along its own axes.

    Args:
        heading: angle of the cuts (and of their perpendiculars), radians.
        cuts: number of cuts; plots number one more.

    Returns:
        intp (S,S), values 0 .. cuts: the plot of every pixel.
    """
    x, y = unit_grid(size)
    bend_x, bend_y = 0.02 * smooth_field(rng, size, 4), 0.02 * smooth_field(rng, size, 4)
    along = np.cos(heading) * x + np.sin(heading) * y + bend_x
    across = np.cos(heading) * y - np.sin(heading) * x + bend_y
    plots = np.zeros((size, size), dtype=np.intp)
    for new in range(1, cuts + 1):
        plot = plots == np.bincount(plots.ravel()).argmax()
        axis = max((along, across), key=lambda coordinate: float(np.ptp(coordinate[plot])))
        low, high = axis[plot].min(), axis[plot].max()
        plots[plot & (axis > low + rng.uniform(0.3, 0.7) * (high - low))] = new
    return plots


def plot_borders(plots: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour lies in another plot, bool (S,S)."""
    borders = np.zeros(plots.shape, dtype=np.bool_)
    borders[:, :-1] |= plots[:, :-1] != plots[:, 1:]
    borders[:-1] |= plots[:-1] != plots[1:]
    return borders


def _furrows(rng: np.random.Generator, size: int, plots: NDArray[np.intp], heading: float) -> Field:
    """Ploughing lines along one of the two axes of each plot, with the tractor's brighter tramlines; float32 (S,S)."""
    count = int(plots.max()) + 1
    angles = (heading + np.pi / 2 * rng.integers(2, size=count)).astype(np.float32)
    periods = rng.uniform(0.022, 0.045, count).astype(np.float32)
    strength = (rng.uniform(0, 1, count) * (rng.random(count) < 0.7)).astype(np.float32)
    tramlines = (rng.uniform(0.5, 2.2, count) * (rng.random(count) < 0.35)).astype(np.float32)
    x, y = unit_grid(size)
    distance = np.cos(angles)[plots] * y - np.sin(angles)[plots] * x + 0.006 * smooth_field(rng, size, 5)
    phase = (2 * np.pi * distance / periods[plots]).astype(np.float32)
    lines: Field = strength[plots] * np.sin(phase) + tramlines[plots] * np.maximum(np.cos(phase / 5), 0) ** 24
    return lines
