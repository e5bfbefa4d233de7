"""What a user reads when the configuration cannot be read: the file or option, what is wrong, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf.errors import GrammarParseError, InterpolationResolutionError, OmegaConfBaseException

from prn_pipeline.errors import UserError

#: What Kedro, OmegaConf and PyYAML raise about the content of configuration files.
UNREADABLE = (
    OmegaConfBaseException,
    yaml.YAMLError,
    UnicodeError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)
#: Characters of an error of another library that a message quotes.
MAX_REASON = 300


def configuration_error(
    error: Exception, kind: str, conf: Path, last_file: Path | None, given: Mapping[str, Any]
) -> UserError:
    """The user error that an error of another library amounts to.

    Args:
        error: one of `UNREADABLE`.
        kind: of the configuration: "parameters", "catalog".
        conf: folder of the configuration's environments.
        last_file: the file that was opened last.
        given: parameters of the command line.
    """
    if (inner := _user_error_in(error)) is not None:
        return inner
    reason = str(error).strip().partition("\n")[0][:MAX_REASON] or type(error).__name__
    if isinstance(error, RecursionError):
        reason = "its blocks are nested too deeply, or within themselves"
    key = str(getattr(error, "full_key", None) or "")
    if isinstance(error, GrammarParseError | InterpolationResolutionError):
        place = f"{_place_of(key, conf, given) or f'{conf}/*/{kind}*.yml or --params'}: {key or 'a value'}"
        remedy = "${...} inserts the value of another key: write a key that exists, or the value itself"
    elif isinstance(error, OmegaConfBaseException) and given and "merge" in reason.lower():
        kinds = ", ".join(f"{name} is a {_kind(value)}" for name, value in given.items())
        place = f"--params or {conf}/*/{kind}*.yml (in --params, {kinds})"
        remedy = "where one has a block of keys or a list, the other must have the same"
    else:
        place = f"{last_file or f'{conf}/*/{kind}*.yml'}{f': {key}' if key else ''}"
        remedy = (
            "save it as UTF-8" if isinstance(error, UnicodeError) else "write plain YAML: texts, numbers, lists, blocks"
        )
    named = last_file is not None and place == str(last_file) and place in reason
    return UserError(f"{reason if named else f'{place}: {reason}'}; {remedy}")


def _user_error_in(error: BaseException | None) -> UserError | None:
    """The user error that another error was raised for, as OmegaConf does with those of resolvers."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, UserError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def _place_of(key: str, conf: Path, given: Mapping[str, Any]) -> str | None:
    """Where a key has its value: in --params, or in the files that have a line with it."""
    first, _, _ = key.partition(".")
    if first in given:
        return "--params"
    last = re.split(r"[.\[]", key)[-1].rstrip("]")
    line = re.compile(rf"^[\s'\"{{-]*{re.escape(first)}['\"]?\s*:".encode(), re.MULTILINE)
    contents = {file: file.read_bytes() for file in sorted(conf.glob("*/*.y*ml"))}
    files = [str(file) for file, content in contents.items() if line.search(content) and last.encode() in content]
    return ", ".join(files) or None


def _kind(value: object) -> str:
    return "block" if isinstance(value, Mapping) else "list" if isinstance(value, list) else "value"
