"""Results as picture files, each of which appears whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.pixel_values import as_colours
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.metrics.counts import boundaries

#: Colours of an overlay: what stayed foreground, what the refiner added, what it took away.
KEPT, ADDED, REMOVED = (255, 221, 0), (0, 200, 120), (230, 40, 80)
#: Share of the colour in pixels that it is laid over.
OPACITY = 0.45
#: Colours of class ids, told apart also by people who see few colours (Okabe and Ito).
CLASSES = (0, 0, 0, 230, 159, 0, 86, 180, 233, 0, 158, 115, 240, 228, 66, 0, 114, 178, 213, 94, 0, 204, 121, 167)


def write_mask(path: Path, mask: NDArray[np.uint8], classes: int) -> None:
    """As PNG, see `mask_picture`."""
    _write(path, mask_picture(mask, classes))


def mask_picture(mask: NDArray[np.uint8], classes: int) -> Image.Image:
    """255 foreground and 0 not; of several classes a palette picture whose index is the class id."""
    picture = Image.fromarray(mask if classes > 1 else mask * np.uint8(255))
    if classes > 1:
        picture.putpalette((CLASSES * (1 + 256 * 3 // len(CLASSES)))[: 256 * 3])
    return picture


def write_probabilities(path: Path, probabilities: NDArray[np.float32]) -> None:
    """As `probability_bytes`, under the ending that they ask for."""
    with atomic_write(path if probabilities.ndim == 2 else path.with_suffix(".npy")) as temporary:
        temporary.write_bytes(probability_bytes(probabilities))


def probability_bytes(probabilities: NDArray[np.float32]) -> bytes:
    """A PNG of 16 bits, 65535 is 1; of several classes (C,H,W) a .npy file of float32, which a PNG cannot hold."""
    file = io.BytesIO()
    if probabilities.ndim == 3:
        np.save(file, probabilities)
    else:
        Image.fromarray(np.rint(probabilities * 65535).astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


def write_overlay(path: Path, image: Pixels, mask: NDArray[np.uint8], base: NDArray[np.uint8], classes: int) -> None:
    """As JPEG: the image, and what the refiner kept, added and removed; outlines of classes where there are several."""
    seen = as_colours(image).astype(np.float32)
    if classes > 1:
        for one in np.unique(mask):
            outline = boundaries((mask == one)[None], 1)[0]
            seen[outline] = CLASSES[3 * int(one) % len(CLASSES) :][:3]
    else:
        for colour, where in ((KEPT, mask & base), (ADDED, mask & ~base), (REMOVED, base & ~mask)):
            chosen = where.astype(bool)
            seen[chosen] = (1 - OPACITY) * seen[chosen] + OPACITY * np.array(colour, np.float32)
            seen[boundaries(chosen[None], 1)[0]] = colour
    _write(path, Image.fromarray(seen.astype(np.uint8)))


def _write(path: Path, picture: Image.Image) -> None:
    with atomic_write(path) as temporary:
        picture.save(temporary)
