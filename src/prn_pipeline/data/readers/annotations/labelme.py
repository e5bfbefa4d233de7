"""LabelMe's JSON files: one per image, with polygons, rectangles, circles and pasted masks."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations, Format, Shape
from prn_pipeline.data.readers.annotations.shapes import Region, ellipse, polygon, rectangle
from prn_pipeline.data.readers.annotations.text_files import read_json
from prn_pipeline.errors import UserError


def recognises(text: str) -> bool:
    """Whether a file begins like LabelMe's."""
    return '"shapes"' in text and any(key in text for key in ('"imageData"', '"imagePath"', '"points"'))


def read(folder: Path, files: Sequence[Path], settings: AnnotationSettings) -> Annotations:
    """The shapes of LabelMe's files.

    Raises:
        UserError: a file is none of LabelMe's.
    """
    images: list[AnnotatedImage] = []
    labels: dict[str, None] = {}
    for path in files:
        found = read_json(path, ("shapes",))
        shapes = found["shapes"]
        if any(not isinstance(shape, Mapping) or not isinstance(shape.get("points"), list) for shape in shapes):
            raise UserError(f"{path}: an entry of 'shapes' without a list of points. Save the file again in LabelMe.")
        if bare := [number for number, shape in enumerate(shapes, 1) if not isinstance(shape.get("label"), str)]:
            raise UserError(f"{path}: shape {bare[0]} has no label. Give it one in LabelMe, or remove it.")
        sides = found.get("imageHeight"), found.get("imageWidth")
        size = (sides[0], sides[1]) if isinstance(sides[0], int) and isinstance(sides[1], int) else None
        names = tuple(filter(None, (str(found.get("imagePath") or ""), path.stem)))
        images.append(AnnotatedImage(names, path, partial(_shapes, shapes), size))
        labels |= dict.fromkeys(str(shape.get("label")) for shape in shapes)
    return Annotations(images, tuple(labels))


def _shapes(shapes: Sequence[Mapping[str, Any]]) -> list[Shape]:
    return [
        Shape(
            str(shape.get("label")),
            f"shape {number} ('{shape.get('label')}')",
            partial(_draw, shape),
            is_box=shape.get("shape_type") == "rectangle",
        )
        for number, shape in enumerate(shapes, 1)
    ]


def _draw(shape: Mapping[str, Any], height: int, width: int) -> Region:
    kind = str(shape.get("shape_type") or "polygon")
    try:
        points = np.array(shape["points"], dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise UserError("its points are no pairs of numbers. Save the file again in LabelMe.") from None
    if kind == "polygon":
        return polygon(points, height, width)
    if len(points) != 2 or kind not in ("rectangle", "circle", "mask"):
        raise UserError(
            f"a {kind} of {len(points)} points has no area here. Draw a polygon, a rectangle or a circle, or leave its"
            " label out of `annotations.categories`."
        )
    (left, top), (right, bottom) = points.tolist()
    if kind == "circle":  # its centre, and a point of the rim
        radius = math.dist(*points.tolist())
        return ellipse((left, top), (radius, radius), 0, height, width)
    if kind == "mask":
        return _pasted(shape.get("mask"), points, height, width)
    return polygon(rectangle((left, top), (right, bottom)), height, width)


def _pasted(encoded: Any, corners: np.ndarray[Any, Any], height: int, width: int) -> Region:
    """A mask as PNG in base64, from the pixel of the first corner to that of the second."""
    try:
        (left, top), (right, bottom) = (tuple(map(round, corner)) for corner in corners.tolist())
        if not 0 <= left <= right < width or not 0 <= top <= bottom < height:
            raise ValueError(f"{right, bottom} and {left, top} are not within the image of {width} x {height} pixels")
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)), formats=["PNG"]) as picture:
            if picture.size != (right - left + 1, bottom - top + 1):
                raise ValueError(f"of {picture.size} pixels between {left, top} and {right, bottom}")
            return Region(top, left, np.asarray(picture.convert("L")) > 0)
    except (TypeError, ValueError, OverflowError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"its mask is no PNG of the size of its box ({str(error)[:120]}). Draw it again.") from None


LABELME = Format("LabelMe", ".json", recognises, read)
