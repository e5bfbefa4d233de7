"""The records in the text of dvc.lock, each a text that can be read or replaced without the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

#: How DVC begins the file.
HEAD = "schema: '2.0'\nstages:\n"
#: A record as DVC writes it: its address, indented by two, then deeper or empty lines.
RECORD = re.compile(r"  (?P<address>[\w@.+-]+):\n(?:(?: {3,}.*)?\n)*")


def records_of(text: str) -> dict[str, str] | None:
    """Address -> text of each record, all after `HEAD`; None for a text with anything else, or one of them twice."""
    if not text.startswith(HEAD) or not text.endswith("\n"):
        return None
    found: dict[str, str] = {}
    end = len(HEAD)
    while (record := RECORD.match(text, end)) and record["address"] not in found:
        found[record["address"]] = record.group()
        end = record.end()
    return found if end == len(text) else None


def with_records(text: str, records: Mapping[str, Any], dumped: Callable[[Any], str]) -> str | None:
    """The text of a lock file in which these records replace those of the same addresses, or follow the last one.

    Args:
        text: of the file.
        records: address -> record, as DVC would put it into the file.
        dumped: an object -> the text that DVC writes for it.

    Returns:
        What DVC writes if it reads `text`, which it has written, replaces the records and writes all of it again. None
        for a text that has more than records, such as comments.
    """
    found = records_of(text)
    if found is None:
        return None
    for address, record in records.items():
        written = dumped({"stages": {address: record}}).removeprefix("stages:\n")
        again = RECORD.fullmatch(written)
        if again is None or again["address"] != address:  # quoted, or longer than a key may be
            return None
        found[address] = written
    return HEAD + "".join(found.values())
