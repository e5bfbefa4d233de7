"""Annotation files as text and as JSON; whatever is wrong with one is an error that names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prn_pipeline.errors import UserError

#: A larger file is no list of annotations; parsed, JSON takes about ten times the memory.
MAX_BYTES = 2 * 2**30


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        UserError: it cannot be read, is no such text, or is too large.
    """
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UserError(
                f"{path}: {size / 2**30:.3g} GiB of annotations, expected at most {MAX_BYTES / 2**30:g}. Split it."
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable UTF-8 text file ({error}). Export the annotations again.") from error


def read_json(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: of the file.
        keys: each must be there and hold a list.

    Raises:
        UserError: it is not JSON, or no such object.
    """
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({str(error)[:120]}). Export the annotations again.") from None
    if not isinstance(found, dict) or any(not isinstance(found.get(key), list) for key in keys):
        raise UserError(
            f"{path}: expected a JSON object with the lists {', '.join(map(repr, keys))}. It is not of the"
            " format that `annotations.format` names: correct that, or `annotations.files`."
        )
    return found
