"""The one exception for what a user can correct: bad data, bad settings, missing artefacts, misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Letters that are enough to tell what name was begun.
BEGINNING = 3


class UserError(Exception):
    """Says what was found, where, what was expected, and the remedy.

    Everything else that is raised in this package is a defect of the package.
    """


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Error text for an unknown name: the closest match, and all known names."""
    known = list(known)
    near = closest(name, known)
    hint = "there are" if near is None else f"did you mean {near!r}? There are"
    return f"unknown {kind} {name!r}; {hint} {', '.join(known)}"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was most likely meant: the shortest that begins so, or the most similar; None if none is.

    Upper and lower case do not matter. A beginning counts from three letters on.
    """
    known = sorted(known, key=len)
    begun = [one for one in known if len(name) >= BEGINNING and one.lower().startswith(name.lower())]
    near = difflib.get_close_matches(name.lower(), [one.lower() for one in known], n=1)
    return next(iter(begun), None) or next((one for one in known if [one.lower()] == near), None)


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 image", "1,200 images"; `plural` where that is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def counted_of(number: int, total: int, nouns: str) -> str:
    """A part of a total and its verb: "1 of 6 images is", "2 of 6 images are"."""
    return f"{number:,} of {total:,} {nouns} {'is' if number == 1 else 'are'}"
