"""Passwords and tokens among the parameters are refused: parameters are stored in MLflow, reports and models' files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prn_pipeline.errors import UserError
from prn_pipeline.processes.secrets import names_secret, passwords_of_address, remember

#: Keys in one message.
MAX_LISTED = 5


def refuse_secrets(parameters: Mapping[str, Any]) -> None:
    """Check that no parameter is a password or token, in any block, also of what is not chosen.

    Raises:
        UserError: a key names a secret, or an address has one. The message has the keys, and no value.
    """
    found: dict[str, str] = {}
    for key, value in _texts(parameters):
        secrets = {value} if names_secret(key.rpartition(".")[2], value) else passwords_of_address(value)
        for secret in secrets:
            remember(secret)
            found[key] = "" if secret == value else " (in its address)"
    if found:
        listed = ", ".join(f"{key}{where}" for key, where in list(found.items())[:MAX_LISTED])
        more = f" and {len(found) - MAX_LISTED} more" if len(found) > MAX_LISTED else ""
        raise UserError(
            f"these parameters look like passwords or tokens: {listed}{more}. Parameters are stored in MLflow, in"
            " reports and beside weights: remove them, and let the code that needs them read an environment variable"
        )


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text below a value, with the dotted path of its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner, key)
