"""What the marks and the outlines of annotations mean, where programs differ -> the keys that say so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.discovery.mask_rule import evenly
from prn_pipeline.data.read_limits import DEFAULT_LIMITS
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations
from prn_pipeline.data.readers.annotations.annotated_samples import FEW_CROWDS
from prn_pipeline.data.readers.annotations.categories import is_background
from prn_pipeline.data.readers.annotations.traced import are_traced
from prn_pipeline.data.readers.stored_size import stored_size
from prn_pipeline.errors import UserError

#: Images whose shapes are looked at.
SAMPLE = 50


class Meaning(NamedTuple):
    """How shapes are read.

    Attributes:
        keys: crowd, vertices and categories of the key `annotations`, as far as they differ from the defaults.
        notes: why, one sentence each.
    """

    keys: dict[str, Any]
    notes: tuple[str, ...]


def meaning_of(read: Annotations, images: Sequence[tuple[AnnotatedImage, Path]]) -> Meaning:
    """The keys under which shapes are what they were drawn as.

    Args:
        read: all annotations.
        images: those that are there, with their files.
    """
    keys: dict[str, Any] = {}
    notes = []
    if _are_traced(images):
        keys["vertices"] = "centres"
        notes.append(
            "Outlines run from pixel to pixel, as programs trace masks: the pixels on them belong to the objects"
            " (`annotations.vertices`)."
        )
    if read.crowds > FEW_CROWDS:
        keys["crowd"] = "foreground"
        notes.append(
            f"{100 * read.crowds:.0f} % of the annotations are marked as crowds (`iscrowd: 1`), which programs do for"
            " painted objects: taken for foreground (`annotations.crowd`)."
        )
    objects = [name for name in read.categories if not is_background(name)]
    if objects and len(objects) < len(read.categories):
        keys["categories"] = objects
        notes.append("The category for the background is left out (`annotations.categories`).")
    return Meaning(keys, tuple(notes))


def _are_traced(images: Sequence[tuple[AnnotatedImage, Path]]) -> bool:
    outlines: list[NDArray[np.float64]] = []
    for one, path in (images[place] for place in evenly(range(len(images)), SAMPLE)):
        with suppress(UserError):  # a bad shape is refused when its mask is drawn
            height, width = one.size or stored_size(path, DEFAULT_LIMITS).upright()
            for shape in one.outlines():
                outlines += shape.points(height, width) if shape.points else []
    return are_traced(outlines)
