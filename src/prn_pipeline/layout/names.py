"""Names of data sets, base models and refiners, which become names of folders."""

from __future__ import annotations

import re

from prn_pipeline.errors import UserError

#: Characters that a name must not have: separators of folders, of Kedro's --params and of MLflow's queries, and what
#: some file systems refuse.
_FORBIDDEN = re.compile(r"[\\/:*?\"'`<>|,=#@\x00-\x1f\x7f]")
#: Bytes that every file system leaves a name of a folder, with room for prefixes and suffixes.
MAX_BYTES = 150


def check_name(kind: str, name: object) -> str:
    """The name, as text.

    Args:
        kind: what it is a name of, for the message: "dataset".
        name: a text, or a number that stands for one.

    Raises:
        UserError: it would not be the name of one folder: it has a separator such as `/`, is `..`, hidden or empty.
    """
    text = str(name)
    problem = _problem(text)
    if problem is not None:
        raise UserError(
            f"{kind} {text[:MAX_BYTES]!r} {problem}: artefacts lie in a folder of this name, so it may have letters,"
            " digits, spaces and . _ + - and must not start with a dot; choose another name"
        )
    return text


def _problem(text: str) -> str | None:
    if found := _FORBIDDEN.search(text):
        return f"has the character {found[0]!r}"
    if text != text.strip() or not text:
        return "is empty, or starts or ends with a space"
    if text.startswith("."):
        return "starts with a dot"
    if len(text.encode(errors="replace")) > MAX_BYTES:
        return f"is longer than {MAX_BYTES} bytes"
    return None
