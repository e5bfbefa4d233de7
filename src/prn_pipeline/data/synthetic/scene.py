"""The embedded data set: road scenes as seen from the air, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.settings import SyntheticSettings
from prn_pipeline.data.synthetic.camera import photograph
from prn_pipeline.data.synthetic.ground import draw_ground
from prn_pipeline.data.synthetic.noise import Field
from prn_pipeline.data.synthetic.objects import add_objects
from prn_pipeline.data.synthetic.paving import pave
from prn_pipeline.data.synthetic.roads import lay_roads


@dataclass(frozen=True)
class Landscape:
    """A scene in even light, before the camera.

    Attributes:
        colours: float32 (3,S,S), about [0, 1].
        mask: uint8 (S,S), 1 on roads, under tree crowns too.
        crowns: bool (S,S), true under a tree crown.
    """

    colours: Field
    mask: NDArray[np.uint8]
    crowns: NDArray[np.bool_]


def draw_scene(index: int, settings: SyntheticSettings) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one sample of the embedded data set.

    A scene depends on the seed and its own index only: not on `settings.count`, nor on the scenes drawn before.
    The same (seed, index) at another size shows the same roads.

    Args:
        index: 0 or more.
        settings: size S and seed are used.

    Returns:
        image: uint8 (S,S,3), RGB.
        mask: uint8 (S,S), 1 = road (covered by a tree or not), 0 = background.

    Raises:
        ValueError: the index is negative.
    """
    if index < 0:
        raise ValueError(f"scene index {index} is negative; scenes are numbered from 0")
    layout, camera = np.random.default_rng([settings.seed, index]).spawn(2)
    landscape = draw_landscape(layout, settings.size)
    return photograph(camera, landscape.colours), landscape.mask


def draw_landscape(rng: np.random.Generator, size: int) -> Landscape:
    """Draw fields, then roads, then objects."""
    ground = draw_ground(rng, size)
    roads = lay_roads(rng, ground.heading, share=rng.uniform(0.085, 0.17))
    colours, mask = pave(rng, ground.colours, roads)
    stand = add_objects(rng, colours, mask, ground, roads)
    return Landscape(stand.colours, mask, stand.crowns)
