"""`python -m benchmarks.vessel_maps FOLDER`: maps of retinal vessels by another program, with nothing learned.

Black top-hats of the green band at three scales and a logistic curve; FOLDER is a copy of the data set `drive`, which
gets a folder `maps`, as `base_model=external` reads it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

#: Side in pixels of the squares that close over vessels.
SCALES = (9, 15, 21)
#: The logistic curve: contrast of half a probability, and its width, in grey values.
MIDDLE, WIDTH = 14.0, 4.0


def vessel_map(image: np.ndarray) -> np.ndarray:
    """Probabilities float32 (h,w) of an image uint8 (h,w,3): high on what is thin and darker than its surroundings."""
    green = ndimage.gaussian_filter(image[..., 1].astype(float), 1)
    contrast = np.mean([ndimage.black_tophat(green, size=(side, side)) for side in SCALES], axis=0)
    return (1 / (1 + np.exp(-(contrast - MIDDLE) / WIDTH))).astype(np.float32)


def main(folder: Path) -> None:
    """A file maps/<id>.npy for each image."""
    images = sorted(folder.glob("*/images/*"))
    if not images:
        raise SystemExit(f"{folder} has no <split>/images: give a copy of the data set drive")
    maps = folder / "maps"
    maps.mkdir(exist_ok=True)
    for image in images:
        np.save(maps / f"{image.stem}.npy", vessel_map(np.asarray(Image.open(image).convert("RGB"))))
    print(f"{len(images)} maps in {maps}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m benchmarks.vessel_maps FOLDER")
    main(Path(sys.argv[1]))
