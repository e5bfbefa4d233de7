"""Which categories of annotations are drawn, and with which value."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError, unknown_name

logger = logging.getLogger(__name__)

#: Names in one message.
MAX_LISTED = 5
#: Names of categories that are none, in lower case.
BACKGROUND = frozenset({"background", "_background_", "bg", "unlabeled", "unlabelled", "void", "ignore"})


def is_background(category: str) -> bool:
    """Whether a category is what no object covers."""
    return category.lower() in BACKGROUND


def value_of(category: str, settings: DatasetSettings) -> int | None:
    """The value of a category in masks; None if its shapes are not drawn."""
    if settings.classes:
        return settings.classes.index(category) if category in settings.classes else None
    assert settings.annotations is not None
    chosen = settings.annotations.categories
    return 1 if chosen is None or category in chosen else None


def check_categories(folder: Path, known: Sequence[str], settings: DatasetSettings) -> None:
    """Check the categories that the settings name, and log those that are left out.

    Raises:
        UserError: the annotations have no category of that name.
    """
    assert settings.annotations is not None
    named = settings.classes[1:] or settings.annotations.categories or ()
    for name in named:
        if name not in known:
            raise UserError(f"{folder}: {unknown_name('category', name, known)}. Correct the name in the settings.")
    others = [name for name in known if name not in (*named, *settings.classes) and not is_background(name)]
    if named and others:
        logger.warning(
            "%s: shapes of %s count as background",
            folder,
            ", ".join(others[:MAX_LISTED]) + (", ..." if len(others) > MAX_LISTED else ""),
        )
