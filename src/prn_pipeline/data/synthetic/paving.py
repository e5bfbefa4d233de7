"""Paints roads on the ground, and draws the mask of the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from prn_pipeline.data.synthetic.noise import Field, blend, octaves, smooth_field
from prn_pipeline.data.synthetic.roads import Road

OVERSAMPLING = 3
VERGE = np.array((0.47, 0.47, 0.31), dtype=np.float32)
DITCH = np.array((0.31, 0.36, 0.20), dtype=np.float32)
PAINT = np.array((0.88, 0.87, 0.80), dtype=np.float32)


def strokes(lines: list[tuple[NDArray[np.float64], float]], size: int) -> Field:
    """Anti-aliased coverage of the union of thick lines, float32 (S,S) in [0, 1].

    Args:
        lines: path and width of each, in the unit square; a path is float64 (K,2), (x, y), and bends little from one
            segment to the next.
    """
    fine = size * OVERSAMPLING
    canvas = Image.new("L", (fine, fine))
    brush = ImageDraw.Draw(canvas)
    for path, width in lines:
        brush.line((path * fine).ravel().tolist(), fill=255, width=max(1, round(width * fine)))
    return np.asarray(canvas.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)


def pave(rng: np.random.Generator, colours: Field, roads: list[Road]) -> tuple[Field, NDArray[np.uint8]]:
    """Paint the roads on the ground.

    Args:
        colours: float32 (3,S,S), the bare ground.

    Returns:
        colours: float32 (3,S,S) with roads; mask: uint8 (S,S), 1 on roads.
    """
    size = colours.shape[1]
    wear = octaves(rng, size, (7, 48))
    overgrowth = smooth_field(rng, size, 9)
    coverages = [strokes([(road.path, road.width)], size) for road in roads]
    for grass, paved, margin in ((VERGE, True, 0.022), (DITCH, False, 0.026)):
        verges = strokes([(road.path, road.width + margin) for road in roads if road.paved == paved], size)
        colours = blend(colours, grass[:, None, None] * (1 + 0.2 * wear), 0.6 * verges)
    for road, coverage in reversed(list(zip(roads, coverages, strict=True))):
        surface = road.colour[:, None, None] * (1 + rng.uniform(0.06, 0.18) * wear)
        if road.paved:
            colours = _paint_paved(rng, colours, road, surface, coverage)
        else:
            # Ruts show where wheels run, grass between them and wherever the track is little used.
            opacity = np.clip(rng.uniform(0.75, 1.0) + 0.3 * overgrowth, 0.5, 1)
            middle = strokes([(road.path, road.width / 3)], size)
            colours = blend(colours, surface, coverage * opacity * (1 - 0.35 * middle))
    return colours, (np.max(coverages, axis=0) >= 0.5).astype(np.uint8)


def _paint_paved(rng: np.random.Generator, colours: Field, road: Road, surface: Field, coverage: Field) -> Field:
    size = colours.shape[1]
    colours = blend(colours, surface, 0.95 * coverage)
    wheel_paths = strokes([(road.path, road.width / 2)], size)
    colours = blend(colours, surface * float(rng.choice([0.9, 1.08])), 0.6 * wheel_paths)
    if road.width > 0.05:
        dashes = [(road.path[start : start + 2], 0.006) for start in range(0, len(road.path) - 1, 3)]
        colours = blend(colours, PAINT, 0.5 * strokes(dashes, size))
    return colours
