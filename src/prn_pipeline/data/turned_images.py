"""Finds images that their EXIF orientation turns, while their masks have none, where sizes cannot show a mistake."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from prn_pipeline.data.readers.file_facts import ImageFacts, MaskFacts
from prn_pipeline.errors import counted

logger = logging.getLogger(__name__)

#: Files in one message.
MAX_LISTED = 5
#: What is wrong with one of them, and with several.
_TURNED = (
    "image is turned as its EXIF orientation says, but its mask has no such orientation",
    "images are turned as their EXIF orientation says, but their masks have no such orientation",
)
#: Orientations from this one on exchange height and width.
_QUARTER_TURN = 5


class Pair(NamedTuple):
    """An image, by the name of its file, and its mask. They have the same size, `height` x `width`, upright."""

    file: str
    image: ImageFacts
    mask: MaskFacts
    height: int
    width: int


def warn_of_turned(name: str, pairs: Iterable[Pair]) -> int:
    """Warn of images that are turned by their EXIF orientation while their masks have another one.

    Most such masks were drawn on the upright image and are right. After a quarter turn of an oblong image the equal
    sizes prove it; after a half turn, a mirroring, or of a square image nothing does.

    Returns:
        The number of pairs that nothing proves right.
    """
    doubtful = [
        pair.file
        for pair in pairs
        if pair.image.orientation != pair.mask.orientation
        and not (_exchanges(pair.image.orientation) != _exchanges(pair.mask.orientation) and pair.height != pair.width)
    ]
    if doubtful:
        logger.warning(
            "data set '%s': %s: %s. If these masks were drawn on the upright images, as most programs show them, all is"
            " well. Otherwise remove the orientation from the images (exiftool -Orientation= FILE) or turn the masks",
            name,
            counted(len(doubtful), *_TURNED),
            ", ".join(doubtful[:MAX_LISTED]) + (", ..." if len(doubtful) > MAX_LISTED else ""),
        )
    return len(doubtful)


def _exchanges(orientation: int) -> bool:
    return orientation >= _QUARTER_TURN
