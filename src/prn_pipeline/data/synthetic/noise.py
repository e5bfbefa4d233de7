"""Smooth random fields, which make a drawn scene vary over the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float32]


def unit_grid(size: int) -> tuple[Field, Field]:
    """Pixel centres in the unit square.

    Returns:
        x, y: float32 (S,S) in (0, 1); x grows with the column, y with the row.
    """
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    return np.broadcast_to(centres, (size, size)), np.broadcast_to(centres[:, None], (size, size))


def smooth_field(rng: np.random.Generator, size: int, points: int) -> Field:
    """Gaussian noise on a `points` x `points` lattice, interpolated bicubically.

    Consumes `points` ** 2 draws at every size, so that one layout can be rendered at any resolution.

    Returns:
        float32 (S,S), mean about 0, standard deviation about 0.7.
    """
    lattice = Image.fromarray(rng.standard_normal((points, points), dtype=np.float32))
    return np.asarray(lattice.resize((size, size), Image.Resampling.BICUBIC))


def octaves(rng: np.random.Generator, size: int, lattices: tuple[int, ...]) -> Field:
    """Mean of smooth fields on several lattices, for mottled ground and worn surfaces.

    Returns:
        float32 (S,S), mean about 0.
    """
    total = sum((smooth_field(rng, size, points) for points in lattices), np.zeros((size, size), dtype=np.float32))
    return total / np.float32(len(lattices))


def spanning_field(rng: np.random.Generator, size: int, low: float, high: float, points: int = 3) -> Field:
    """A tilted, gently curved surface whose smallest and largest values are exactly `low` and `high`.

    Returns:
        float32 (S,S) in [low, high].
    """
    x, y = unit_grid(size)
    heading = rng.uniform(0, 2 * np.pi)
    surface = 2.5 * (np.cos(heading) * x + np.sin(heading) * y) + smooth_field(rng, size, points)
    surface = surface - surface.min()
    return (low + (high - low) * surface / surface.max()).astype(np.float32)


def blend(under: Field, over: Field, weight: Field) -> Field:
    """`under` where the weight is 0, `over` where it is 1.

    Args:
        under: float32 (3,S,S).
        over: float32 (3,S,S), or (3,) for one colour.
        weight: float32 (S,S) in [0, 1].

    Returns:
        float32 (3,S,S).
    """
    return under + weight * ((over if over.ndim == 3 else over[:, None, None]) - under)
