"""dvc.lock with other records of a few stages, as DVC would write it, without reading or writing the rest of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

#: How DVC begins the file; other keys may follow the records.
HEAD = "schema: '2.0'\nstages:\n"
#: A record as DVC writes it: its address, indented by two, then deeper or empty lines.
RECORD = re.compile(r"  (?P<address>[\w@.+-]+):\n(?:(?: {3,}.*)?\n)*")


def with_records(text: str, records: Mapping[str, Any], dumped: Callable[[Any], str]) -> str | None:
    """The text of a lock file in which these records replace those of the same addresses, or follow the last one.

    Args:
        text: of the file, "" if there is none.
        records: address -> record, as DVC would put it into the file.
        dumped: an object -> the text that DVC writes for it.

    Returns:
        What DVC writes if it reads `text`, which it has written, replaces the records and writes all of it again. None
        for a text of another form than DVC's, as with comments.
    """
    if not text.startswith(HEAD):
        return None
    found: dict[str, str] = {}
    end = len(HEAD)
    while record := RECORD.match(text, end):
        found[record["address"]] = record.group()
        end = record.end()
    if not re.match(r"\w|\Z", text[end:]) or not text.endswith("\n"):
        return None
    for address, record_data in records.items():
        block = dumped({"stages": {address: record_data}}).removeprefix("stages:\n")
        again = RECORD.fullmatch(block)
        if again is None or again["address"] != address:  # quoted, or longer than a key may be
            return None
        found[address] = block
    return HEAD + "".join(found.values()) + text[end:]
