"""The road network of a drawn scene: main roads, lanes that branch off them, and farm tracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.synthetic.noise import Field

MAX_BRANCHES = 24
DARK_ASPHALT, WORN_ASPHALT, CONCRETE = (0.34, 0.34, 0.36), (0.50, 0.49, 0.48), (0.67, 0.65, 0.61)
GRAVEL, PALE_DIRT, RED_DIRT = (0.62, 0.58, 0.51), (0.70, 0.62, 0.49), (0.58, 0.45, 0.35)
PAVED = np.array([DARK_ASPHALT, WORN_ASPHALT, WORN_ASPHALT, CONCRETE, GRAVEL], dtype=np.float32)
UNPAVED = np.array([GRAVEL, PALE_DIRT, PALE_DIRT, RED_DIRT, GRAVEL], dtype=np.float32)


@dataclass(frozen=True)
class Road:
    """One road.

    Attributes:
        path: float64 (K,2), (x, y) along the centre line in the unit square; ends may lie outside.
        width: in the unit square.
        colour: float32 (3,) in [0, 1].
        paved: false for farm tracks, which are partly overgrown.
    """

    path: NDArray[np.float64]
    width: float
    colour: Field
    paved: bool


def lay_roads(rng: np.random.Generator, heading: float, share: float) -> list[Road]:
    """A main road from edge to edge, then branches until the network covers about `share` of the scene.

    Args:
        heading: angle of the plots, which lanes and tracks follow.
        share: roads' share of the scene's area to reach, in (0, 1).

    Returns:
        Roads, widest kind first.
    """
    roads = [_main_road(rng)]
    covered = _area_inside(roads[0])
    for _ in range(MAX_BRANCHES):
        if covered >= share:
            break
        branch = _branch(rng, roads[int(rng.integers(len(roads)))], heading, paved=bool(rng.random() < 0.5))
        if not _runs_beside(branch, roads):
            roads.append(branch)
            covered += _area_inside(branch)
    return sorted(roads, key=lambda road: (not road.paved, -road.width))


def _main_road(rng: np.random.Generator) -> Road:
    angle = rng.uniform(0, 2 * np.pi)
    forward, side = _axes(angle)
    middle = np.array([0.5, 0.5]) + side * rng.uniform(-0.25, 0.25)
    bends = rng.uniform(-0.3, 0.3, 2)
    controls = [
        middle - 0.85 * forward + side * rng.uniform(-0.15, 0.15),
        middle - 0.3 * forward + side * bends[0],
        middle + 0.3 * forward + side * bends[1],
        middle + 0.85 * forward + side * rng.uniform(-0.15, 0.15),
    ]
    return Road(_bezier(controls), rng.uniform(0.05, 0.08), PAVED[rng.integers(len(PAVED))], paved=True)


def _branch(rng: np.random.Generator, parent: Road, heading: float, paved: bool) -> Road:
    inside = np.flatnonzero(((parent.path > 0.03) & (parent.path < 0.97)).all(axis=1))
    start = parent.path[rng.choice(inside) if len(inside) else len(parent.path) // 2]
    forward, side = _axes(heading + np.pi / 2 * rng.integers(4) + rng.normal(0, 0.12))
    length = rng.uniform(0.35, 1.3)
    curve = rng.normal(0, 0.10 if paved else 0.07, 3) * length
    controls = [
        start,
        start + forward * length / 3 + side * curve[0],
        start + forward * length * 2 / 3 + side * curve[1],
        start + forward * length + side * curve[2],
    ]
    if paved:
        return Road(_bezier(controls), rng.uniform(0.03, 0.045), PAVED[rng.integers(len(PAVED))], paved=True)
    return Road(_bezier(controls), rng.uniform(0.023, 0.036), UNPAVED[rng.integers(len(UNPAVED))], paved=False)


def _runs_beside(branch: Road, roads: list[Road]) -> bool:
    """Whether much of a road runs so close to others that hardly any land is left between them."""
    others = np.concatenate([road.path[::3] for road in roads])
    squared_gaps = ((branch.path[::3, None] - others) ** 2).sum(axis=2).min(axis=1)
    return bool((squared_gaps < 0.09**2).mean() > 0.3)


def _axes(angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])


def _bezier(controls: list[NDArray[np.float64]], samples: int = 40) -> NDArray[np.float64]:
    t = np.linspace(0, 1, samples)[:, None]
    a, b, c, d = controls
    path: NDArray[np.float64] = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    return path


def _area_inside(road: Road) -> float:
    steps = np.diff(road.path, axis=0)
    inside = ((road.path[1:] > 0) & (road.path[1:] < 1)).all(axis=1)
    return road.width * float(np.sqrt((steps[inside] ** 2).sum(axis=1)).sum())
