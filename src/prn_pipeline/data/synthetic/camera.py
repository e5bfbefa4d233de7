"""Camera and air of a drawn scene: light, haze, sharpness and noise that vary over the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from prn_pipeline.data.synthetic.noise import Field, blend, smooth_field, spanning_field

HAZE = np.array((0.74, 0.77, 0.81), dtype=np.float32)


def photograph(rng: np.random.Generator, colours: Field) -> NDArray[np.uint8]:
    """Take the picture.

    Every property is a smooth field over the picture, so that a model's logits come out too high in one region and
    too low in another: the error that patch-wise refinement corrects.

    Args:
        colours: float32 (3,S,S), the scene in even light, about [0, 1].

    Returns:
        uint8 (S,S,3), RGB.
    """
    size = colours.shape[1]
    lit = colours * illumination(rng, size)
    hazy = blend(lit, HAZE, haze_density(rng, size))
    blurred = _lens(rng, hazy)
    grain = np.exp(spanning_field(rng, size, np.log(0.006), np.log(rng.uniform(0.012, 0.032))))
    noise = rng.standard_normal((size, size), dtype=np.float32)
    noise = noise + 0.5 * rng.standard_normal((3, size, size), dtype=np.float32)
    exposed = blurred + grain * noise
    return np.ascontiguousarray(np.rint(255 * np.clip(exposed, 0, 1)).astype(np.uint8).transpose(1, 2, 0))


def illumination(rng: np.random.Generator, size: int) -> Field:
    """Gain of each channel: uneven exposure, a drift from warm to cold, and sometimes the soft shadow of a cloud.

    Returns:
        float32 (3,S,S), about 0.3 to 2.
    """
    swing = rng.uniform(0.25, 0.6)
    stops = spanning_field(rng, size, -swing, swing)
    if rng.random() < 0.4:
        stops -= rng.uniform(0.3, 0.7) / (1 + np.exp(-5 * (smooth_field(rng, size, 3) - rng.uniform(0.2, 0.8))))
    warmth = spanning_field(rng, size, -0.06, 0.06)
    return np.exp(np.stack([stops + warmth, stops, stops - warmth]))


def haze_density(rng: np.random.Generator, size: int) -> Field:
    """Share of the light that comes from the air instead of the ground, float32 (S,S) in [0, 0.65]."""
    thinnest = rng.uniform(0, 0.1)
    return spanning_field(rng, size, thinnest, thinnest + rng.uniform(0.1, 0.55))


def _lens(rng: np.random.Generator, picture: Field) -> Field:
    """Sharp in one part, out of focus in another."""
    size = picture.shape[1]
    radius = rng.uniform(0.6, 1.4) * size / 128
    soft = ndimage.gaussian_filter(picture, (0, radius, radius), truncate=2.5)
    return blend(picture, soft, spanning_field(rng, size, 0.15, 1.0))
