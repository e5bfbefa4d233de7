"""CVAT's XML 1.1 "for images": polygons, masks, rectangles and ellipses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations, Format, Shape
from prn_pipeline.data.readers.annotations.cvat_document import Attributes, Document
from prn_pipeline.data.readers.annotations.run_lengths import from_runs, whole_numbers
from prn_pipeline.data.readers.annotations.shapes import Region, ellipse, polygon, rectangle
from prn_pipeline.data.readers.annotations.traced import Fill, fill_of
from prn_pipeline.errors import UserError


def recognises(text: str) -> bool:
    """Whether a file begins like CVAT's."""
    return "<annotations" in text and ("<image " in text or "<meta>" in text)


def read(folder: Path, files: Sequence[Path], settings: AnnotationSettings) -> Annotations:
    """The images of CVAT's files; one without shapes shows nothing.

    Raises:
        UserError: a file is none of CVAT's for images, or declares a document type, as attacks with entities do.
    """
    images: list[AnnotatedImage] = []
    labels: dict[str, None] = {}
    for path in files:
        found = Document(path)
        labels |= dict.fromkeys([*found.labels, *(shape["label"] for _, ones in found.images for _, shape in ones)])
        for image, shapes in found.images:
            if not (name := image.get("name")):
                raise UserError(f"{path}: <image> {image.get('id')} has no name. Export the annotations again.")
            size = _number(image, "height", path), _number(image, "width", path)
            images.append(AnnotatedImage((name,), path, partial(_shapes, shapes, fill_of(settings)), size))
    return Annotations(images, tuple(labels))


def _shapes(shapes: Sequence[tuple[str, Attributes]], fill: Fill) -> list[Shape]:
    numbered = list(enumerate(shapes, 1))
    numbered.sort(key=lambda one: _number(one[1][1], "z_order", default="0"))
    return [
        Shape(
            attributes["label"],
            f"shape {number} (<{kind}> '{attributes['label']}')",
            partial(_draw, kind, attributes, fill),
            is_box=kind == "box",
            points=partial(_outlines, attributes) if kind == "polygon" else None,
        )
        for number, (kind, attributes) in numbered
    ]


def _draw(kind: str, attributes: Attributes, fill: Fill, height: int, width: int) -> Region:
    if kind == "polygon":
        (points,) = _outlines(attributes, height, width)
        return fill(points, height, width)
    if kind not in _DRAWN:
        raise UserError(
            f"a {kind} has no area here. Draw a polygon or a mask, or leave its label out of `annotations.categories`."
        )
    return _DRAWN[kind](attributes, height, width)


def _outlines(attributes: Attributes, _height: int, _width: int) -> list[NDArray[np.float64]]:
    try:
        pairs = [pair.split(",") for pair in attributes.get("points", "").split(";")]
        return [np.array([[float(x), float(y)] for x, y in pairs])]
    except ValueError:
        raise UserError("its points are no pairs 'x,y;x,y'. Export the annotations again.") from None


def _mask(attributes: Attributes, height: int, width: int) -> Region:
    left, top, columns, rows = (_number(attributes, name) for name in ("left", "top", "width", "height"))
    if not (min(left, top) >= 0 and 0 <= columns <= width - left and 0 <= rows <= height - top):
        raise UserError(f"its box of {columns} x {rows} pixels at {left, top} is not within the image.")
    return Region(top, left, from_runs(whole_numbers(attributes.get("rle", "")), rows, columns, by_row=True))


def _box(attributes: Attributes, height: int, width: int) -> Region:
    left, top, right, bottom = (_real(attributes, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    corners = rectangle((left, top), (right, bottom), _real(attributes, "rotation", "0"))
    turned = "rotation" in attributes  # the corners of a turned box may leave the image
    return polygon(corners.clip((0, 0), (width, height)) if turned else corners, height, width)


def _ellipse(attributes: Attributes, height: int, width: int) -> Region:
    x, y, across, down = (_real(attributes, name) for name in ("cx", "cy", "rx", "ry"))
    return ellipse((x, y), (across, down), _real(attributes, "rotation", "0"), height, width)


_DRAWN: dict[str, Callable[[Attributes, int, int], Region]] = {
    "mask": _mask,
    "box": _box,
    "ellipse": _ellipse,
}


def _real(attributes: Attributes, name: str, default: str = "") -> float:
    try:
        return float(attributes.get(name, default))
    except ValueError:
        raise UserError(f"its {name} is '{attributes.get(name, default)[:20]}', expected a number.") from None


def _number(attributes: Attributes, name: str, path: Path | None = None, default: str = "") -> int:
    text = attributes.get(name, default)
    try:
        return int(text[:20])
    except ValueError:
        place = f"{path}: <image> {attributes.get('name')}" if path else "it"
        raise UserError(f"{place} has the {name} '{text[:20]}', expected a whole number. Export it again.") from None


CVAT = Format("CVAT", ".xml", recognises, read)
