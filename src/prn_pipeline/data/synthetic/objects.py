"""Objects of a drawn scene: trees and buildings, and the shadows they cast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from prn_pipeline.data.synthetic.ground import Ground
from prn_pipeline.data.synthetic.noise import Field, blend, octaves, unit_grid
from prn_pipeline.data.synthetic.roads import PAVED, Road

ROOFS = np.array([(0.55, 0.33, 0.26), (0.47, 0.45, 0.44), (0.70, 0.68, 0.65), (0.40, 0.30, 0.26)], dtype=np.float32)
FOLIAGE = np.array([(0.22, 0.31, 0.15), (0.27, 0.37, 0.18), (0.19, 0.26, 0.16), (0.33, 0.37, 0.19)], dtype=np.float32)
SKYLIGHT = np.array((0.42, 0.47, 0.56), dtype=np.float32)


@dataclass
class Stand:
    """The scene while objects are added.

    Attributes:
        colours: float32 (3,S,S).
        heights: float32 (S,S), in the unit of the scene's side; 0 = open ground.
        crowns: bool (S,S), true under a tree crown.
    """

    colours: Field
    heights: Field
    crowns: NDArray[np.bool_]


def add_objects(
    rng: np.random.Generator, colours: Field, mask: NDArray[np.uint8], ground: Ground, roads: list[Road]
) -> Stand:
    """Add yards and buildings beside the roads, then trees, then the shadows of all of them.

    Args:
        colours: float32 (3,S,S), land with roads.
        mask: uint8 (S,S), 1 on roads; no yard or building touches it, crowns may.
    """
    stand = Stand(colours.copy(), np.zeros(mask.shape, np.float32), np.zeros(mask.shape, np.bool_))
    built = int(rng.choice([0, 2, 5, 12], p=[0.2, 0.3, 0.3, 0.2]))
    for _ in range(built):
        _build(rng, stand, mask, roads[int(rng.integers(len(roads)))])
    bearing = rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(bearing), np.sin(bearing)])
    _plant(rng, stand, _tree_places(rng, ground, roads), sun)
    cast_shadows(stand, sun, slope=float(rng.uniform(0.5, 1.2)))
    return stand


def _build(rng: np.random.Generator, stand: Stand, mask: NDArray[np.uint8], road: Road) -> None:
    """One house beside the road, sometimes with a paved yard; skipped if it would stand on a road."""
    step = int(rng.integers(1, len(road.path) - 1))
    forward = road.path[step + 1] - road.path[step - 1]
    forward = forward / np.linalg.norm(forward)
    side = np.array([-forward[1], forward[0]]) * rng.choice([-1, 1])
    length, depth = rng.uniform(0.035, 0.09), rng.uniform(0.03, 0.05)
    x, y = unit_grid(len(mask))
    centre = road.path[step] + side * (road.width / 2 + depth / 2 + rng.uniform(0.015, 0.05))
    along = (x - centre[0]) * forward[0] + (y - centre[1]) * forward[1]
    across = (x - centre[0]) * side[0] + (y - centre[1]) * side[1]
    house = (np.abs(along) < length / 2) & (np.abs(across) < depth / 2)
    if (house & (mask > 0)).any() or (house & (stand.heights > 0)).any():
        return
    if rng.random() < 0.5:
        reach = rng.uniform(1.3, 2.4, 2)
        yard = (np.abs(along) < reach[0] * length / 2) & (np.abs(across) < reach[1] * depth / 2)
        yard &= (mask == 0) & (stand.heights == 0)
        stand.colours[:, yard] = (PAVED[rng.integers(len(PAVED))] * rng.uniform(0.9, 1.1))[:, None]
    roof = ROOFS[rng.integers(len(ROOFS))] * rng.uniform(0.85, 1.15)
    stand.colours[:, house] = roof[:, None] * np.where(across[house] > 0, 1.12, 0.85)
    stand.heights[house] = rng.uniform(0.025, 0.05)


def _tree_places(rng: np.random.Generator, ground: Ground, roads: list[Road]) -> NDArray[np.float64]:
    """(x, y, radius) of every tree, float64 (T,3): woods, hedgerows, avenues and solitary trees."""
    size = len(ground.borders)
    places = [rng.random((int(rng.integers(2, 9)), 2))]
    for region, density in ((ground.woodland, 330 / size**2), (ground.borders, 10.0 / size)):
        rows, columns = np.nonzero(region)
        count = min(70, int(len(rows) * density * rng.uniform(0.2, 1)))
        chosen = rng.integers(max(1, len(rows)), size=count)
        places.append((np.stack([columns, rows], axis=1)[chosen] + rng.random((count, 2))) / size)
    for road in roads:
        count = int(rng.choice([0, 3, 9], p=[0.35, 0.4, 0.25]))
        steps = rng.integers(len(road.path), size=count)
        lateral = rng.choice([-1, 1], count) * (road.width / 2 + rng.uniform(-0.008, 0.02, count))
        tangents = np.gradient(road.path, axis=0)[steps]
        normals = np.stack([-tangents[:, 1], tangents[:, 0]], axis=1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        places.append(road.path[steps] + lateral[:, None] * normals)
    centres = np.concatenate(places)
    return np.column_stack([centres, rng.uniform(0.013, 0.033, len(centres))])


def _plant(rng: np.random.Generator, stand: Stand, trees: NDArray[np.float64], sun: NDArray[np.float64]) -> None:
    """Raise a dome of leaves for each tree and light it from the sun's side."""
    size = len(stand.heights)
    domes = np.zeros((size, size), dtype=np.float32)
    owners = np.zeros((size, size), dtype=np.intp)
    x, y = unit_grid(size)
    first = ((trees[:, :2] - trees[:, 2:]) * size).clip(0, size).astype(int).tolist()
    last = ((trees[:, :2] + trees[:, 2:]) * size + 1).clip(0, size).astype(int).tolist()
    for owner, (centre_x, centre_y, radius) in enumerate(trees.tolist()):
        window = np.s_[first[owner][1] : last[owner][1], first[owner][0] : last[owner][0]]
        # A dome on a trunk: never lower than its rim, so that neighbouring crowns keep their outlines.
        squared = radius**2 - (x[window] - centre_x) ** 2 - (y[window] - centre_y) ** 2
        dome = np.where(squared > 0, np.sqrt(np.abs(squared)) + 0.6 * radius, 0)
        np.copyto(owners[window], owner, where=dome > domes[window])
        np.maximum(domes[window], dome, out=domes[window])
    leaves = octaves(rng, size, (40, 90))
    ragged = domes * (1 + 0.35 * leaves)
    stand.crowns |= ragged > 0.35 * domes.clip(0.008)
    rise_y, rise_x = np.gradient(ndimage.gaussian_filter(ragged, 0.6 * size / 128))
    light = np.clip(0.9 + 0.45 * size * (rise_x * float(sun[0]) + rise_y * float(sun[1])), 0.35, 1.6)
    tones = FOLIAGE[rng.integers(len(FOLIAGE), size=len(trees))] * rng.uniform(0.8, 1.2, (len(trees), 1))
    foliage = tones.astype(np.float32).T[:, owners] * (light * (1 + 0.25 * leaves))
    stand.colours = blend(stand.colours, foliage, stand.crowns.astype(np.float32))
    stand.heights = np.where(stand.crowns, np.maximum(stand.heights, domes), stand.heights)


def cast_shadows(stand: Stand, sun: NDArray[np.float64], slope: float) -> None:
    """Darken whatever a higher object hides from the sun; `slope` is the tangent of the sun's elevation."""
    size = len(stand.heights)
    reach = int(np.ceil(stand.heights.max() / slope * size))
    shade = np.zeros_like(stand.heights)
    for step in range(1, reach + 1):
        row, column = (int(np.rint(offset)) for offset in (sun[1] * step, sun[0] * step))
        moved = np.zeros_like(stand.heights)
        target_rows, source_rows = _overlap(row, size)
        target_columns, source_columns = _overlap(column, size)
        moved[target_rows, target_columns] = stand.heights[source_rows, source_columns] - step / size * slope
        shade = np.maximum(shade, (moved > stand.heights + 0.004).astype(np.float32))
    shade = ndimage.gaussian_filter(shade, 0.5 * size / 128)
    stand.colours = stand.colours * (1 - shade * (1 - SKYLIGHT[:, None, None]))


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Target and source slices that move an axis of `size` by `shift` without wrapping round."""
    return slice(max(0, shift), size + min(0, shift)), slice(max(0, -shift), size - max(0, shift))
