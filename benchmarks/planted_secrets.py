"""Where secrets stand that were planted, in any of the spellings that programs give them."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, quote_plus


def spellings(secret: str) -> set[bytes]:
    """A secret as it may stand in text, addresses, pages, JSON and headers."""
    ways = (str, quote, quote_plus, lambda text: quote(text, safe=""), html.escape, repr, json.dumps)
    return {way(secret).strip("'\"").encode() for way in ways} | {base64.b64encode(secret.encode())}


def files_below(folders: Iterable[Path]) -> list[Path]:
    """All files, but for links."""
    return [one for folder in folders for one in folder.rglob("*") if one.is_file() and not one.is_symlink()]


def found_in(folders: Iterable[Path], secrets: Iterable[bytes]) -> list[tuple[str, bytes]]:
    """Files that hold a secret, and which."""
    secrets = list(secrets)
    found = []
    for file in files_below(folders):
        content = file.read_bytes()
        found += [(str(file), secret) for secret in secrets if secret in content]
    return found
