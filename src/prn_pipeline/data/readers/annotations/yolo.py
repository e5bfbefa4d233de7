"""YOLO's text files of polygons: one per image, a line per object, coordinates as shares of width and height."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations, Format, Shape
from prn_pipeline.data.readers.annotations.shapes import Region
from prn_pipeline.data.readers.annotations.text_files import read_text
from prn_pipeline.data.readers.annotations.traced import Fill, fill_of
from prn_pipeline.errors import UserError

#: Files that name the categories, the best first.
NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt", "obj.names")
_LINE = re.compile(r"\d+(?:\s+-?\d*\.?\d+(?:e[+-]?\d+)?){4,}", re.IGNORECASE)
#: Of a category.
_NUMBER = re.compile(r"[0-9]{1,6}")
#: Coordinates above this one are pixels and no shares.
_HIGHEST = 2.0


def recognises(text: str) -> bool | None:
    """Whether a file begins like YOLO's polygons; None if it is empty or has boxes alone, which says too little."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    whole = lines[:-1] if len(lines) > 1 else lines  # the last one may be cut
    if not all(map(_LINE.fullmatch, whole)):
        return False
    return True if any(len(line.split()) > 5 for line in whole) else None


def read(folder: Path, files: Sequence[Path], settings: AnnotationSettings) -> Annotations:
    """The objects of label files. An empty file says that its image shows none.

    Raises:
        UserError: a file cannot be read, or `settings.names` names no categories.
    """
    names = _names(folder / settings.names) if settings.names else None
    images: list[AnnotatedImage] = []
    numbers: set[int] = set()
    for path in files:
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        numbers |= {int(number) for line in lines if _NUMBER.fullmatch(number := line.split()[0])}
        below = path.relative_to(folder).with_suffix("")
        parts = ["images" if part == "labels" else part for part in below.parts]
        images.append(AnnotatedImage(("/".join(parts),), path, partial(_shapes, lines, names, fill_of(settings))))
    return Annotations(images, tuple(names) if names else tuple(map(str, sorted(numbers))))


def _names(path: Path) -> list[str]:
    text = read_text(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        found = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        try:
            loaded = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError) as error:
            raise UserError(f"{path}: not YAML ({str(error)[:120]}). Correct it.") from None
        listed = loaded.get("names") if isinstance(loaded, dict) else None
        if isinstance(listed, dict) and sorted(map(str, listed)) == sorted(map(str, range(len(listed)))):
            listed = [listed[key] for key in sorted(listed, key=int)]
        found = [str(name) for name in listed] if isinstance(listed, list) else []
    if not found:
        raise UserError(
            f"{path}: no names of categories. Expected `names: [car, road]` in a YAML file, or one name per line; or"
            " remove `annotations.names`, and categories are called by their numbers."
        )
    return found


def _shapes(lines: Sequence[str], names: Sequence[str] | None, fill: Fill) -> list[Shape]:
    return [
        Shape(
            _category(line.split()[0], names),
            f"line {number}",
            partial(_draw, line, fill),
            points=partial(_outlines, line),
        )
        for number, line in enumerate(lines, 1)
    ]


def _category(text: str, names: Sequence[str] | None) -> str:
    if not _NUMBER.fullmatch(text) or (names and int(text) >= len(names)):
        of = f"0 to {len(names) - 1}" if names else "a whole number"
        raise UserError(f"a line begins with {text[:20]!r}, expected the number of a category: {of}.")
    return names[int(text)] if names else str(int(text))


def _draw(line: str, fill: Fill, height: int, width: int) -> Region:
    (points,) = _outlines(line, height, width)
    return fill(points, height, width)


def _outlines(line: str, height: int, width: int) -> list[NDArray[np.float64]]:
    try:
        values = np.array(line.split()[1:], dtype=str).astype(np.float64)
    except ValueError:
        raise UserError(f"not numbers: '{line[:40]}'. Export the labels again.") from None
    if len(values) == 4:
        raise UserError(
            "a box (four numbers), which says nothing about an outline. Label polygons, or remove the line."
        )
    if len(values) % 2 or len(values) < 6:
        raise UserError(f"{len(values)} numbers behind the category, expected x and y of at least three points.")
    if values.max() > _HIGHEST:
        raise UserError(f"the coordinate {values.max():g}, expected shares of width and height from 0 to 1.")
    points: NDArray[np.float64] = values.reshape(-1, 2) * (width, height)
    return [points]


YOLO = Format("YOLO", ".txt", recognises, read, NAMES)
