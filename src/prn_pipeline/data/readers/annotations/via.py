"""VGG Image Annotator (VIA, versions 1 and 2): polygons, rectangles, circles and ellipses in JSON files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations, Format, Shape
from prn_pipeline.data.readers.annotations.coco import UNNAMED
from prn_pipeline.data.readers.annotations.shapes import Region, ellipse, polygon, rectangle
from prn_pipeline.data.readers.annotations.text_files import read_json
from prn_pipeline.errors import UserError

#: Attributes of regions that name the category, the likeliest first. Without one, it is what most regions have.
_CATEGORIES = ("class", "label", "category", "type", "name", "object")
AGAIN = "Export the annotations again in VIA"
_SHAPE, _SAID = "shape_attributes", "region_attributes"

#: Attributes of one region: its shape, and what was said of it.
ViaRegion = tuple[Mapping[str, Any], Mapping[str, Any]]


def recognises(text: str) -> bool:
    """Whether a file begins like VIA's JSON: exported annotations, or a project."""
    return '"_via_img_metadata"' in text or (
        '"regions"' in text and any(key in text for key in ('"shape_attributes"', '"file_attributes"'))
    )


def read(folder: Path, files: Sequence[Path], settings: AnnotationSettings) -> Annotations:
    """The regions of JSON files.

    Raises:
        UserError: a file is none of VIA's.
    """
    return of_regions((path, _images(path)) for path in files)


def of_regions(found: Iterable[tuple[Path, Mapping[str, list[ViaRegion]]]]) -> Annotations:
    """What files say: each with its images, and the regions of each image."""
    images = [(path, name, regions) for path, of_file in found for name, regions in of_file.items()]
    attribute = _attribute(said for _, _, regions in images for _, said in regions)
    categories = dict.fromkeys(_category(said, attribute) for _, _, regions in images for _, said in regions)
    return Annotations(
        [AnnotatedImage((name,), path, partial(_shapes, regions, attribute)) for path, name, regions in images],
        tuple(categories),
    )


def _images(path: Path) -> dict[str, list[ViaRegion]]:
    """Image -> its regions, of a JSON file."""
    found: Any = read_json(path, ())
    found = found.get("_via_img_metadata", found)
    images: dict[str, list[ViaRegion]] = {}
    for entry in found.values() if isinstance(found, Mapping) else [None]:
        regions = entry.get("regions") if isinstance(entry, Mapping) else None
        regions = list(regions.values()) if isinstance(regions, Mapping) else regions  # version 1 numbers them
        name = entry.get("filename") if isinstance(entry, Mapping) else None
        if not isinstance(regions, list) or not isinstance(name, str) or not name:
            raise UserError(f"{path}: an image without 'filename' or 'regions'. {AGAIN}, as JSON.")
        images.setdefault(name, []).extend(_region(path, name, number, one) for number, one in enumerate(regions, 1))
    return images


def _region(path: Path, name: str, number: int, found: Any) -> ViaRegion:
    shape, said = (found.get(key) if isinstance(found, Mapping) else None for key in (_SHAPE, _SAID))
    return region(path, name, number, shape, said)


def region(path: Path, name: str, number: int, shape: Any, said: Any) -> ViaRegion:
    """The attributes of a region.

    Raises:
        UserError: they are none.
    """
    if not isinstance(shape, Mapping) or not isinstance(said or {}, Mapping):
        raise UserError(f"{path}: region {number} of {name} without 'shape_attributes'. {AGAIN}.")
    return shape, said or {}


def _attribute(regions: Iterable[Mapping[str, Any]]) -> str | None:
    """The attribute that names the category; None if regions have none."""
    counts = Counter(key for said in regions for key in said)
    known = {key.lower(): key for key in reversed(counts)}
    usual = next((known[word] for word in _CATEGORIES if word in known), None)
    return usual or max(counts, key=counts.__getitem__, default=None)


def _category(said: Mapping[str, Any], attribute: str | None) -> str:
    """The value of the attribute; of ticked boxes, the names of those that are ticked."""
    value = said.get(attribute) if attribute else None
    if isinstance(value, Mapping):
        value = ", ".join(name for name, ticked in value.items() if ticked)
    return str(value).strip() if value not in (None, "") else UNNAMED


def _shapes(regions: Sequence[ViaRegion], attribute: str | None) -> list[Shape]:
    return [
        Shape(
            _category(said, attribute),
            f"region {number} ('{_category(said, attribute)}')",
            partial(_draw, shape),
            is_box=shape.get("name") == "rect",
        )
        for number, (shape, said) in enumerate(regions, 1)
    ]


def _draw(shape: Mapping[str, Any], height: int, width: int) -> Region:
    kind = shape.get("name")
    try:
        if kind == "polygon":
            points = np.array([shape["all_points_x"], shape["all_points_y"]], dtype=np.float64)
            return polygon(points.reshape(2, -1).T, height, width)
        if kind == "rect":
            left, top = float(shape["x"]), float(shape["y"])
            right, bottom = left + float(shape["width"]), top + float(shape["height"])
            return polygon(rectangle((left, top), (right, bottom)), height, width)
        if kind in ("circle", "ellipse"):
            radii = (shape["r"], shape["r"]) if kind == "circle" else (shape["rx"], shape["ry"])
            turn = math.degrees(float(shape.get("theta") or 0))
            centre = float(shape["cx"]), float(shape["cy"])
            return ellipse(centre, (float(radii[0]), float(radii[1])), turn, height, width)
    except (KeyError, TypeError, ValueError):
        raise UserError(f"a {kind} whose numbers are missing or are none. {AGAIN}.") from None
    raise UserError(
        f"a {kind} has no area. Draw a polygon, a rectangle, a circle or an ellipse, or leave its name out of"
        " `annotations.categories`."
    )


VIA = Format("the VGG Image Annotator", ".json", recognises, read)
