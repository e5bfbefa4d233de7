"""COCO JSON: polygons, plain and compressed run-length codes, crowd regions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations, Format, Shape
from prn_pipeline.data.readers.annotations.run_lengths import decompressed, from_runs, whole_numbers
from prn_pipeline.data.readers.annotations.shapes import Region, union
from prn_pipeline.data.readers.annotations.text_files import read_json
from prn_pipeline.data.readers.annotations.traced import Fill, fill_of
from prn_pipeline.errors import UserError

#: The category of files that name none.
UNNAMED = "object"


def recognises(text: str) -> bool:
    """Whether a file begins like COCO JSON with instances."""
    if '"segments_info"' in text or '"dm_format_version"' in text:
        return False
    return '"segmentation"' in text or '"categories"' in text or ('"images"' in text and '"file_name"' in text)


def read(folder: Path, files: Sequence[Path], settings: AnnotationSettings) -> Annotations:
    """Images and instances of COCO files. An image that is listed without annotations has none: its mask is empty.

    Raises:
        UserError: a file is no COCO JSON, or its ids do not fit together.
    """
    images: list[AnnotatedImage] = []
    names: dict[str, None] = {}
    marked: list[bool] = []
    for path in files:
        found = read_json(path, ("images", "annotations"))
        named = found.get("categories") or ()
        try:
            categories = {one["id"]: str(one["name"]) for one in named}
            listed = {one["id"]: (one["file_name"], _size(one)) for one in found["images"]}
            of_image = defaultdict(list)
            for one in found["annotations"]:
                of_image[one["image_id"]].append(one)
            used = {one.get("category_id") for one in found["annotations"]}
        except (TypeError, KeyError, AttributeError) as error:
            fault = (
                f"lacks the key {error}" if isinstance(error, KeyError) else "is no object, or has an id that is none"
            )
            raise UserError(
                f"{path}: an entry of 'images', 'annotations' or 'categories' {fault}. It is not COCO's format of"
                " instances: export them again."
            ) from None
        for kind, of_ids, entries in (("image", listed, found["images"]), ("category", categories, named)):
            if len(of_ids) < len(entries):
                raise UserError(f"{path}: one {kind} id stands for several entries. Export the annotations again.")
        if nameless := [key for key, (name, _) in listed.items() if not isinstance(name, str) or not name]:
            raise UserError(f"{path}: the image with the id {nameless[0]} has no file name. Write it there.")
        _refuse_unknown(path, "image_id", set(of_image) - set(listed), "images")
        if categories:
            _refuse_unknown(path, "category_id", used - set(categories), "categories")
        marked += [bool(one.get("iscrowd")) for one in found["annotations"]]
        names |= dict.fromkeys(categories.values() if categories else [UNNAMED])
        images += [
            AnnotatedImage((name,), path, partial(_shapes, of_image[key], categories, settings), size)
            for key, (name, size) in listed.items()
        ]
    return Annotations(images, tuple(names), sum(marked) / max(len(marked), 1))


def _size(image: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = image.get("height"), image.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _refuse_unknown(path: Path, key: str, unknown: set[Any], place: str) -> None:
    if unknown:
        raise UserError(
            f"{path}: annotations with the {key} {', '.join(sorted(map(str, unknown))[:5])}, which '{place}' does not"
            " list. Export the annotations again."
        )


def _shapes(
    annotations: Sequence[Mapping[str, Any]], categories: Mapping[Any, str], settings: AnnotationSettings
) -> list[Shape]:
    return [
        Shape(
            categories.get(one.get("category_id"), UNNAMED),
            f"annotation {one.get('id', '(without id)')}",
            partial(_draw, one, fill_of(settings)),
            bool(one.get("iscrowd")) and settings.crowd != "foreground",
            points=partial(_outlines, one),
        )
        for one in annotations
    ]


def _draw(annotation: Mapping[str, Any], fill: Fill, height: int, width: int) -> Region:
    segmentation = annotation.get("segmentation")
    if not segmentation:
        what = "a box, but no segmentation" if annotation.get("bbox") else "no segmentation"
        raise UserError(
            f"it has {what}. A box says nothing about an outline: draw the outline, or remove the annotation. Some"
            " converters lose the mask (`as_coco` of supervision can): export it again from where it was drawn."
        )
    if isinstance(segmentation, Mapping):
        size, counts = segmentation.get("size"), segmentation.get("counts")
        if size != [height, width]:
            raise UserError(
                f"its run-length code is of size {str(size)[:40]}, its image {[height, width]} (height, width). Export"
                " both at the same size."
            )
        runs = decompressed(counts) if isinstance(counts, str) else whole_numbers(counts)
        return Region(0, 0, from_runs(runs, height, width))
    if not isinstance(segmentation, list):
        raise UserError(f"its segmentation is a {type(segmentation).__name__}, expected polygons or a run-length code.")
    parts = [fill(points, height, width) for points in _outlines(annotation, height, width)]
    return parts[0] if len(parts) == 1 else union(parts)


def _outlines(annotation: Mapping[str, Any], _height: int, _width: int) -> list[NDArray[np.float64]]:
    segmentation = annotation.get("segmentation")
    try:
        polygons = segmentation if isinstance(segmentation, list) else []
        return [np.array(values, dtype=np.float64).reshape(-1, 2) for values in polygons]
    except (TypeError, ValueError):
        raise UserError("its segmentation is no list of polygons [x, y, x, y, ...]. Export it again.") from None


COCO = Format("COCO", ".json", recognises, read)
