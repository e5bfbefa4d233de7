"""The one exception for what a user can correct: bad data, bad settings, missing artefacts, misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Says what was found, where, what was expected, and the remedy.

    Everything else that is raised in this package is a defect of the package.
    """


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Error text for an unknown name: the closest match, and all known names."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? There are" if near else "there are"
    return f"unknown {kind} {name!r}; {hint} {', '.join(known)}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 image", "1,200 images"; `plural` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def counted_of(number: int, total: int, nouns: str) -> str:
    """A part of a total and its verb: "1 of 6 images is", "2 of 6 images are"."""
    return f"{number:,} of {total:,} {nouns} {'is' if number == 1 else 'are'}"
