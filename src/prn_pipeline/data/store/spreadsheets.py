"""Tables as CSV that spreadsheets open: no cell is a formula, and no name splits a row."""

from __future__ import annotations

import csv
import re

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

#: Texts that a spreadsheet takes for a formula, as they are or as `escaped` writes them.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def csv_text(table: pd.DataFrame) -> str:
    """A table without its index as CSV. Texts that look like a formula get an apostrophe; see `unescaped`.

    All texts are quoted where one holds a carriage return, which pandas and others leave bare: it ends a row.
    """
    safe = table.copy(deep=False)
    texts = [name for name in table if not (is_numeric_dtype(table[name]) or is_bool_dtype(table[name]))]
    for name in texts:
        if table[name].map(lambda value: isinstance(value, str) and _FORMULA.match(value) is not None).any():
            safe[name] = [escaped(value) if isinstance(value, str) else value for value in table[name]]
    split = any("\r" in value for name in texts for value in table[name] if isinstance(value, str))
    return safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC if split else csv.QUOTE_MINIMAL, lineterminator="\n")


def escaped(text: str) -> str:
    """A text that no spreadsheet takes for a formula: those that begin like one get an apostrophe in front."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescaped(text: str) -> str:
    """What `escaped` was given."""
    return text[1:] if _ESCAPED.match(text) else text
