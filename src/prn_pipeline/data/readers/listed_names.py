"""What the lines of a list name: an image, or an image and its mask, by paths that may begin in another folder."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeVar

from prn_pipeline.data.readers.file_kinds import PICTURES, stem_of
from prn_pipeline.data.readers.sample_ids import plain_id
from prn_pipeline.errors import UserError

_T = TypeVar("_T")
#: A line -> its columns.
ColumnParser = Callable[[str], Sequence[str]]

_SUFFIXES = "|".join(re.escape(suffix) for suffix in PICTURES)
#: Spaces after a picture's suffix: names may hold spaces themselves.
_AFTER_A_PICTURE = re.compile(rf"(?:{_SUFFIXES})(\s+)(?=\S)", re.IGNORECASE)


def _separated(separator: str) -> ColumnParser:
    def parse(line: str) -> Sequence[str]:
        try:
            return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
        except csv.Error:  # a line that is too long for names
            return []

    return parse


def _after_a_picture(line: str) -> Sequence[str]:
    places = [match.span(1) for match in _AFTER_A_PICTURE.finditer(line)]
    edges = [0, *(edge for place in places for edge in place), len(line)]
    return [line[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]


#: In the order in which they are tried.
COLUMN_PARSERS: tuple[ColumnParser, ...] = (*map(_separated, "\t;,"), _after_a_picture, str.split)


class Pair(NamedTuple):
    """Two columns of a line.

    Attributes:
        line: counted from 1.
        image: as the line names it.
        mask: as the line names it.
    """

    line: int
    image: str
    mask: str


def read_text(file: Path, setting: str) -> str:
    """The text of a list or table.

    Raises:
        UserError: no such file, or none in UTF-8; the message names the setting that holds its name.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{file}: no such file. Put it there, or correct `{setting}`.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not a readable UTF-8 text file ({error}). Save it as UTF-8.") from error


def separator_of(text: str) -> str:
    """What separates the columns of a table: a tab or a semicolon if its first line holds one, otherwise a comma."""
    header = text.partition("\n")[0]
    return next((one for one in "\t;" if one in header), ",")


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of a table with a header; columns are separated by tabs, semicolons or commas, as in the header.

    A cell that a row lacks is "". There are no rows if there is no header, or a cell is too long for a name.
    """
    lines = text.splitlines()
    try:
        return [
            {name: value or "" for name, value in row.items() if name}
            for row in csv.DictReader(lines, delimiter=separator_of(text))
        ]
    except csv.Error:
        return []


def names_of_files(files: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Every unambiguous name of a file -> the file: its path below the folder and its name, with and without suffix."""
    meant: dict[str, set[Path]] = {}
    for path in files:
        below = path.relative_to(folder)
        for name in (below.as_posix(), path.name, below.with_name(stem_of(path)).as_posix(), stem_of(path)):
            meant.setdefault(plain_id(name), set()).add(path)
    return {name: paths.pop() for name, paths in meant.items() if len(paths) == 1}


def resolved(names: Sequence[str], known: Mapping[str, _T]) -> list[_T | None]:
    """What each name means; None for what is not known.

    Lists are often written for another place: `/data/set/images/7.jpg`. All names lose as many leading folders as it
    takes until one of them is known, and no more: a name that is not known then is missing.
    """
    parts = [_parts(name) for name in names]
    for dropped in range(max(map(len, parts), default=0)):
        short = ["/".join(one[min(dropped, len(one) - 1) :]) for one in parts]
        found = [known.get(plain_id(name)) for name in short]
        if any(one is not None for one in found):
            return found
    return [None] * len(names)


def image_names(lines: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """The sample id that each line names, alone or in its first column; the line itself where none is known."""
    first_columns: Iterator[list[str]] = ([(parse(line) or [""])[0] for line in lines] for parse in COLUMN_PARSERS)
    for names in (list(lines), *first_columns):
        found = resolved(names, known)
        if any(one is not None for one in found):
            return [line if one is None else one for line, one in zip(lines, found, strict=True)]
    return list(lines)


def pairs_in_lines(text: str, images: Mapping[str, Path], masks: Mapping[str, Path]) -> list[Pair]:
    """The first two columns of each line, read in the first way that names an image and a mask that are known.

    Returns:
        One pair per line that is not empty; none if no way does.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for parse in COLUMN_PARSERS:
        pairs = [Pair(number, *_first_two(parse(line))) for number, line in lines]
        found = zip(
            resolved([pair.image for pair in pairs], images),
            resolved([pair.mask for pair in pairs], masks),
            strict=True,
        )
        if any(image and mask and image != mask for image, mask in found):
            return pairs
    return []


def _first_two(columns: Sequence[str]) -> tuple[str, str]:
    first, second, *_ = (*columns, "", "")
    return first, second


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name.strip().replace("\\", "/"))
    return tuple(part for part in path.parts if part not in ("/", "..")) or ("",)
