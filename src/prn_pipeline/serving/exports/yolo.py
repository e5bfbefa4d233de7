"""Masks as polygons of YOLO: a text file for each image, one line for each part of an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.serving.exports.objects import categories, objects_of
from prn_pipeline.serving.exports.outlines import outlines

#: Folder of the files, and the file of the names of categories, by their numbers; both in the folder of results.
FOLDER, NAMES = "labels", "classes.txt"


def yolo_file(out: Path, name: str) -> Path:
    """The file of an image."""
    return out / FOLDER / f"{name}.txt"


def write_yolo(file: Path, mask: NDArray[np.uint8], classes: Sequence[str]) -> int:
    """Write the polygons of a mask, atomically: the category from 0, then x and y as shares of width and height.

    Returns:
        The number of holes, which such polygons cannot have and which are therefore filled.
    """
    height, width = mask.shape
    lines, holes = [], 0
    for found in objects_of(mask, classes):
        for outer, *inner in outlines(found):
            holes += len(inner)
            points = " ".join(f"{x / width:.6f} {y / height:.6f}" for x, y in outer[:-1])
            lines.append(f"{found.category} {points}\n")
    with atomic_write(file) as temporary:
        temporary.write_text("".join(lines))
    return holes


def write_names(out: Path, classes: Sequence[str]) -> None:
    """Write the names of the categories, one a line."""
    with atomic_write(out / NAMES) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in categories(classes).values()), encoding="utf-8")
