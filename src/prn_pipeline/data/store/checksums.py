"""Checksums that files carry: a flipped bit is an error of the reader, not another number."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

#: Key or mark that a checksum follows.
NAME = "checksum"
#: Hexadecimal digits of a checksum.
DIGITS = 16
_MARK = NAME.encode() + b":"
_SEAL = re.compile(_MARK + rb"([0-9a-f]{%d})" % DIGITS)
#: What a writer puts where `sealed` will put the checksum.
PLACEHOLDER = f"{NAME}:{'0' * DIGITS}"

CHANGED = "its content does not match its checksum"


class ChecksumError(Exception):
    """What was stored is not what is read."""


def digest(data: bytes) -> str:
    """The first `DIGITS` hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:DIGITS]


def sealed(data: bytes) -> bytes:
    """The bytes with the checksum of all of them in place of their one `PLACEHOLDER`."""
    before, placeholder, after = data.partition(PLACEHOLDER.encode())
    assert placeholder, "the writer leaves a placeholder"
    return before + _MARK + digest(data).encode() + after


def check_seal(data: bytes) -> None:
    """Check bytes that `sealed` has returned.

    Raises:
        ChecksumError: they have changed, or have no checksum.
    """
    marks = list(_SEAL.finditer(data))
    if not marks:
        raise ChecksumError("it has no checksum: it is damaged, or an earlier version wrote it")
    before_sealing = ((data[: of.start()] + PLACEHOLDER.encode() + data[of.end() :], of[1]) for of in marks)
    if not any(digest(plain).encode() == written for plain, written in before_sealing):
        raise ChecksumError(CHANGED)


def with_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object, as it will be read, with the checksum of everything else in it as its last key."""
    stored = json.loads(json.dumps(content))
    return {**stored, NAME: _content_digest(stored)}


def without_checksum(content: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object without its checksum, which is checked; an object without one is returned as it is.

    Raises:
        ChecksumError: the content has changed since the checksum was computed, or the key of the checksum has.
    """
    plain = {name: value for name, value in content.items() if name != NAME}
    if NAME in content:
        if content[NAME] != _content_digest(plain):
            raise ChecksumError(CHANGED)
    elif damaged := [name for name in plain if near_name(name)]:
        raise ChecksumError(f"it has the key {damaged[0]!r} in place of {NAME!r}")
    return plain


def near_name(text: str) -> bool:
    """Whether a text is the name of the checksum but for one or two characters, as after a flipped bit."""
    return len(text) == len(NAME) and sum(one != other for one, other in zip(text, NAME, strict=True)) <= 2


def _content_digest(content: Mapping[str, Any]) -> str:
    """Digest of the values, whatever the order of keys and the layout of the file."""
    return digest(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
