"""How the names of files become sample ids."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from prn_pipeline.data.readers.file_kinds import stem_of
from prn_pipeline.errors import UserError


def plain_id(text: str) -> str:
    """One spelling for ids: composed Unicode (archives made on a Mac hold decomposed names), no folder separators."""
    return unicodedata.normalize("NFC", text.strip()).replace("/", "_")


def compile_expression(expression: str, setting: str) -> re.Pattern[str]:
    """A regular expression with at least one group.

    Raises:
        UserError: it does not compile, or has no group.
    """
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise UserError(f"`{setting}: {expression}` is not a regular expression: {error}. Correct it.") from error
    if compiled.groups < 1:
        raise UserError(
            f"`{setting}: {expression}` has no group. Put parentheses around the sample id, as in '(\\d+)_sat'."
        )
    return compiled


def ids_of_images(images: Iterable[Path], folder: Path) -> dict[Path, str]:
    """The sample id of each image: its stem, or its path below the folder where two images share a stem."""
    stems = {image: plain_id(stem_of(image)) for image in images}
    counts = Counter(stems.values())
    return {
        image: stem if counts[stem] == 1 else plain_id(image.relative_to(folder).with_name(stem_of(image)).as_posix())
        for image, stem in stems.items()
    }
