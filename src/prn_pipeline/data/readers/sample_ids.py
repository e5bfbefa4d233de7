"""How the names of files become sample ids."""

from __future__ import annotations

import re
import unicodedata

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
