"""Docstrings of this project as Sphinx expects them."""

import re


def markdown_to_rst(lines: list[str]) -> None:
    """Turn `code` into ``code``, and make bars harmless, which would name substitutions; in place."""
    lines[:] = [re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", _escaped_bars(line)) for line in lines]


def _escaped_bars(line: str) -> str:
    """Bars outside of code."""
    pieces = line.split("`")
    return "`".join(piece if number % 2 else piece.replace("|", r"\|") for number, piece in enumerate(pieces))


def is_bare_field(member: object) -> bool:
    """Whether a member is a field of a named tuple, which the docstring of the class describes already."""
    return (getattr(member, "__doc__", None) or "").startswith("Alias for field number")
