"""What annotation files say, whatever their format: images, and shapes of named categories on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.shapes import Region
from prn_pipeline.errors import UserError


class Shape(NamedTuple):
    """A part of an image.

    Attributes:
        category: its name.
        where: what a message calls it, such as "annotation 7".
        draw: height and width of the image in pixels -> its pixels; raises UserError for what is no area.
        ignored: its pixels are not counted, unless another shape covers them.
        is_box: drawn as an upright rectangle, which may be a box around an object.
        points: height and width of the image in pixels -> its outlines, (N, 2) x and y each; raises UserError as
            `draw` does; None where the format has none, or leaves open what their coordinates are.
    """

    category: str
    where: str
    draw: Callable[[int, int], Region]
    ignored: bool = False
    is_box: bool = False
    points: Callable[[int, int], list[NDArray[np.float64]]] | None = None


class AnnotatedImage(NamedTuple):
    """An image that a file lists, with or without shapes.

    Attributes:
        names: paths or names under which the image may be found, the likeliest first; with or without suffix.
        source: the file.
        shapes: in the order of drawing; called when the mask is drawn, and raises UserError for a bad shape.
        size: height and width that the file states; None for none.
    """

    names: tuple[str, ...]
    source: Path
    shapes: Callable[[], Sequence[Shape]]
    size: tuple[int, int] | None = None

    def outlines(self) -> Sequence[Shape]:
        """The shapes; an error names the file."""
        try:
            return self.shapes()
        except UserError as error:
            raise UserError(f"{self.source}: {error}") from None


class Annotations(NamedTuple):
    """What some files say.

    Attributes:
        images: that they list.
        categories: that they name, in their order there.
        crowds: share of the shapes that are marked as crowds, 0 to 1.
    """

    images: list[AnnotatedImage]
    categories: tuple[str, ...]
    crowds: float = 0.0


class Format(NamedTuple):
    """A format of annotations.

    Attributes:
        label: what it is called in messages.
        suffix: of its files, in lower case.
        recognises: the first characters of a file -> whether it looks like one; None: only beside others of the format.
        read: the data set's folder, files, settings -> what they say; raises UserError.
        categories_file: names of files that hold the names of categories, where the annotations hold numbers alone.
    """

    label: str
    suffix: str
    recognises: Callable[[str], bool | None]
    read: Callable[[Path, Sequence[Path], AnnotationSettings], Annotations]
    categories_file: tuple[str, ...] = ()
