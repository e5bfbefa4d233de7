"""Shapes of one image -> its mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage
from prn_pipeline.data.readers.annotations.categories import value_of
from prn_pipeline.data.sample_format import IGNORE
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError


def draw_mask(image: AnnotatedImage, height: int, width: int, settings: DatasetSettings) -> NDArray[np.uint8]:
    """The mask of an image: later shapes lie on earlier ones, and all of them on ignored ones.

    Args:
        image: what is said of it.
        height: in pixels.
        width: likewise.
        settings: of the data set: its `classes`, or the `categories` of its annotations.

    Returns:
        uint8 (height, width) of 0, 1 and 255; of class ids and 255 if there are classes.

    Raises:
        UserError: a shape cannot be drawn; the message names it.
    """
    mask = np.zeros((height, width), np.uint8)
    for shape in sorted(image.outlines(), key=lambda shape: not shape.ignored):
        value = value_of(shape.category, settings)
        if value is None:
            continue
        try:
            top, left, inside = shape.draw(height, width)
            if min(top, left) < 0 or top + inside.shape[0] > height or left + inside.shape[1] > width:
                raise UserError(f"it lies outside the image of {width} x {height} pixels (width x height).")
        except UserError as error:
            raise UserError(f"{image.source}: {shape.where} of {image.names[0]}: {error}") from None
        window = mask[top : top + inside.shape[0], left : left + inside.shape[1]]
        window[inside] = IGNORE if shape.ignored else value
    return mask
