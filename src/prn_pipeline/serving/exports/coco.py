"""Masks of a folder as one JSON of COCO, in which every object is exactly the pixels of its mask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.serving.exports.objects import MaskObject, categories, objects_of
from prn_pipeline.serving.exports.outlines import outlines

#: File in the folder of results.
FILE = "annotations.json"
#: Pixels around an object that its polygons might reach.
MARGIN = 2


class MaskOfImage(NamedTuple):
    """A mask, uint8 (H, W), and the path of its image below the folder of images."""

    image: str
    mask: NDArray[np.uint8]


def write_coco(folder: Path, masks: Iterable[MaskOfImage], classes: Sequence[str]) -> None:
    """Write `FILE`, atomically. An object is polygons where pycocotools draws it from them, otherwise run lengths.

    Memory holds the objects of one image at a time.

    Args:
        folder: of the results.
        masks: in the order in which images get ids, from 1.
        classes: names of the classes, by id; empty for foreground.
    """
    named = enumerate(categories(classes).values(), start=1)
    header = {"info": {"description": "masks of prn refine"}, "categories": [{"id": i, "name": n} for i, n in named]}
    images: list[dict[str, Any]] = []
    with atomic_write(folder / FILE) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(header)[:-1] + ', "annotations": [')
        number = 0
        for image_id, (image, mask) in enumerate(masks, start=1):
            images.append({"id": image_id, "file_name": image, "height": mask.shape[0], "width": mask.shape[1]})
            for found in objects_of(mask, classes):
                number += 1
                annotation = {"id": number, "image_id": image_id, **annotated(found, mask.shape)}
                file.write((",\n" if number > 1 else "\n") + json.dumps(annotation))
        file.write('\n], "images": ' + json.dumps(images) + "}\n")


def annotated(found: MaskObject, shape: tuple[int, ...]) -> dict[str, Any]:
    """An object in the terms of COCO, for a mask of this height and width."""
    height, width = found.pixels.shape
    return {
        "category_id": found.category + 1,
        "iscrowd": 0,
        "area": int(found.pixels.sum()),
        "bbox": [found.left, found.top, width, height],
        "segmentation": _polygons(found, shape) or _run_lengths(found, shape),
    }


def _polygons(found: MaskObject, shape: tuple[int, ...]) -> list[list[float]] | None:
    """The outer rings of an object; None if it has holes, or pycocotools draws other pixels from them."""
    from pycocotools import mask as coco

    parts = outlines(found)
    if any(len(rings) > 1 for rings in parts):
        return None
    flat = [[float(value) for point in rings[0][:-1] for value in point] for rings in parts]
    top, left = max(0, found.top - MARGIN), max(0, found.left - MARGIN)  # enough: drawing a whole scene takes longer
    height, width = found.pixels.shape
    bottom, right = min(shape[0], found.top + height + MARGIN), min(shape[1], found.left + width + MARGIN)
    around = [[value - (top if place % 2 else left) for place, value in enumerate(ring)] for ring in flat]
    drawn = coco.decode(coco.merge(coco.frPyObjects(around, bottom - top, right - left))).astype(bool)
    wanted = np.zeros_like(drawn)
    wanted[found.top - top :, found.left - left :][:height, :width] = found.pixels
    return flat if np.array_equal(drawn, wanted) else None


def _run_lengths(found: MaskObject, shape: tuple[int, ...]) -> dict[str, Any]:
    """Compressed run lengths, down the columns of the mask."""
    from pycocotools import mask as coco

    height, width = shape
    columns, rows = np.nonzero(found.pixels.T)
    places = (columns + found.left) * height + rows + found.top
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts, ends = places[np.append(0, breaks + 1)], places[np.append(breaks, len(places) - 1)] + 1
    edges = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(np.concatenate([[0], edges, [height * width]])).tolist()
    coded = coco.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": coded["counts"].decode()}
