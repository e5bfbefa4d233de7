"""Judges the values of all images of a data set together, and gives wide ones a common scale."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from prn_pipeline.data.file_settings import BandSettings
from prn_pipeline.data.readers.band_decoding import LARGEST
from prn_pipeline.data.readers.file_facts import ImageFacts
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.data.shades import white_of
from prn_pipeline.errors import counted

logger = logging.getLogger(__name__)

#: Attribute of the manifest: the value of 16-bit pictures that becomes 255; absent if there are none.
WHITE = "white"
#: Share of the scale that the values of a data set should span: a quarter leaves 64 of 256 levels.
LEAST_USED = 0.25
#: The same for 8-bit pictures: below 32 levels even the brightest one is nearly black.
LEAST_USED_OF_8_BITS = 0.125
#: Files in one message.
MAX_LISTED = 5


def common_white(name: str, settings: DatasetSettings, images: Mapping[str, ImageFacts]) -> int | None:
    """The value of 16-bit pictures that becomes 255, the same for all images of a data set.

    It is `settings.white`, or the largest value of the fewest usual bits that hold the brightest pixel of all. A file
    alone cannot tell: a dark frame of a 12-bit camera has values below 256 too.

    Args:
        name: the data set's name, for messages.
        settings: of the data set.
        images: file name -> facts, of all images.

    Returns:
        1 .. 65535, or None if no picture has more than 8 bits.
    """
    _warn_of_bands(name, [file for file, facts in images.items() if facts.band_left_out])
    wide = {file: facts for file, facts in images.items() if facts.wide}
    if settings.bands is not None:
        _warn_of_little_use_of_bands(name, settings.bands, images)
        return None
    if not wide:
        _warn_of_dark(name, images)
        return None
    white = settings.white or white_of(int(max(facts.high for facts in wide.values())))
    logger.info("data set '%s': %s with 16 bits; %d becomes white, 255", name, counted(len(wide), "image"), white)
    narrow = [file for file in images if file not in wide]
    if narrow and white != 255:
        logger.warning(
            "data set '%s': %s 16 bits, scaled so that %d is white; %s 8 bits, which stay as they are:"
            " %s. If their colours differ, save all of them with 8 bits, or set `white`",
            name,
            counted(len(wide), "image has", "images have"),
            white,
            counted(len(narrow), "has", "have"),
            _listed(narrow),
        )
    _warn_of_little_range(name, wide, white)
    return white


def _warn_of_bands(name: str, files: list[str]) -> None:
    if files:
        logger.warning(
            "data set '%s': %s a fourth band beside RGB that is not marked as transparency; it is left out:"
            " %s. If it is infrared or the like, read it with `bands: {count: 4}`",
            name,
            counted(len(files), "image holds", "images hold"),
            _listed(files),
        )


def _warn_of_little_range(name: str, wide: Mapping[str, ImageFacts], white: int) -> None:
    ranges = [facts.usual for facts in wide.values() if facts.usual is not None]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    if high - low < LEAST_USED * white:
        logger.warning(
            "data set '%s': 99.9 %% of the values of each image lie from %d to %d, which is %.0f %% of the scale from"
            " 0 to %d. Spread them: `bands: {count: 1, low: %d, high: %d}` (3 for colours), or `white: %d`",
            name,
            low,
            high,
            100 * (high - low) / white,
            white,
            low,
            max(high, low + 1),
            max(high, 1),
        )


def _warn_of_little_use_of_bands(name: str, bands: BandSettings, images: Mapping[str, ImageFacts]) -> None:
    ranges = [facts.usual for facts in images.values() if facts.usual is not None]
    if not ranges:
        return
    low, high = min(low for low, _ in ranges) / LARGEST, max(high for _, high in ranges) / LARGEST
    if high - low >= LEAST_USED:
        return
    given = bands.low is not None and bands.high is not None
    of = f"from `bands.low: {bands.low:g}` to `bands.high: {bands.high:g}`" if given else "of the type of the files"
    remedy = "Correct `bands.low` and `bands.high`" if given else "Name it: `bands: {count: ..., low: ..., high: ...}`"
    logger.warning(
        "data set '%s': 99.9 %% of the values of each image lie between %.1f and %.1f %% of the range %s. %s",
        name,
        100 * low,
        100 * high,
        of,
        remedy,
    )


def _warn_of_dark(name: str, images: Mapping[str, ImageFacts]) -> None:
    high = max(facts.high for facts in images.values())
    if high < LEAST_USED_OF_8_BITS * 255:
        logger.warning(
            "data set '%s': no pixel of any image is above %d of 255, so all of them are nearly black. If their values"
            " end there, set `bands: {count: 3, low: 0, high: %d}` (1 for grey)",
            name,
            high,
            max(high, 1),
        )


def _listed(files: list[str]) -> str:
    return ", ".join(files[:MAX_LISTED]) + (", ..." if len(files) > MAX_LISTED else "")
