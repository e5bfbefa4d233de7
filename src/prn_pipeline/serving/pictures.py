"""Results as picture files, written atomically."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.data.shades import as_colours
from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.metrics.counts import boundaries

#: Colours of an overlay: foreground that the refiner kept, added, removed.
KEPT, ADDED, REMOVED = (255, 221, 0), (0, 200, 120), (230, 40, 80)
#: Opacity of the colours.
OPACITY = 0.45
#: Colours of class ids, a palette for colour-blind readers (Okabe and Ito).
CLASSES = (0, 0, 0, 230, 159, 0, 86, 180, 233, 0, 158, 115, 240, 228, 66, 0, 114, 178, 213, 94, 0, 204, 121, 167)


def write_mask(path: Path, mask: NDArray[np.uint8], classes: int) -> None:
    """Write a mask as PNG; see `mask_picture`."""
    _write(path, mask_picture(mask, classes))


def mask_picture(mask: NDArray[np.uint8], classes: int) -> Image.Image:
    """255 for foreground and 0 for background; with several classes a palette picture whose index is the class id."""
    picture = Image.fromarray(mask if classes > 1 else mask * np.uint8(255))
    if classes > 1:
        picture.putpalette((CLASSES * (1 + 256 * 3 // len(CLASSES)))[: 256 * 3])
    return picture


def write_probabilities(path: Path, probabilities: NDArray[np.float32]) -> None:
    """Write probabilities as `probability_bytes`; of several classes under the extension .npy."""
    with atomic_write(path if probabilities.ndim == 2 else path.with_suffix(".npy")) as temporary:
        temporary.write_bytes(probability_bytes(probabilities))


def probability_bytes(probabilities: NDArray[np.float32]) -> bytes:
    """A 16-bit PNG in which 65535 is 1; for several classes (C,H,W) a .npy file of float32."""
    file = io.BytesIO()
    if probabilities.ndim == 3:
        np.save(file, probabilities)
    else:
        Image.fromarray(np.rint(probabilities * 65535).astype(np.uint16)).save(file, "PNG")
    return file.getvalue()


def write_overlay(path: Path, image: Pixels, mask: NDArray[np.uint8], base: NDArray[np.uint8], classes: int) -> None:
    """Write a JPEG of the image with foreground that the refiner kept, added and removed, or outlines of classes."""
    overlay = as_colours(image).astype(np.float32)
    if classes > 1:
        for class_id in np.unique(mask):
            outline = boundaries((mask == class_id)[None], 1)[0]
            overlay[outline] = CLASSES[3 * int(class_id) % len(CLASSES) :][:3]
    else:
        for colour, area in ((KEPT, mask & base), (ADDED, mask & ~base), (REMOVED, base & ~mask)):
            pixels = area.astype(bool)
            overlay[pixels] = (1 - OPACITY) * overlay[pixels] + OPACITY * np.array(colour, np.float32)
            overlay[boundaries(pixels[None], 1)[0]] = colour
    _write(path, Image.fromarray(overlay.astype(np.uint8)))


def _write(path: Path, picture: Image.Image) -> None:
    file = io.BytesIO()
    picture.save(file, Image.registered_extensions()[path.suffix])
    with atomic_write(path) as temporary:
        temporary.write_bytes(file.getvalue())  # Pillow does not notice when a full disk takes only a part
