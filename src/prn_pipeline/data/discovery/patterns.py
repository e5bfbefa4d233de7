"""A sub-folder or glob pattern that finds certain pictures below a folder, and no others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from glob import escape
from pathlib import Path, PurePosixPath

from prn_pipeline.data.readers.file_kinds import PICTURES, kind_of
from prn_pipeline.data.readers.finding import find_files
from prn_pipeline.errors import UserError


def pattern_of(folder: Path, wanted: Sequence[PurePosixPath], kind: str) -> str:
    """The shortest pattern that the reader takes for exactly these pictures.

    Args:
        folder: of the data set, or of one of its splits.
        wanted: paths below it; not empty.
        kind: "images" or "masks", for messages.

    Raises:
        UserError: no pattern finds these pictures alone.
    """
    for place in _places(sorted({path.parent for path in wanted})):
        for name in ("", *_names([path.name for path in wanted])):
            pattern = "/".join(filter(None, (place, name))) or "."
            if _found(folder, pattern, {kind_of(path) for path in wanted}) == set(wanted):
                return pattern
    raise UserError(
        f"{folder}: no pattern finds the {len(wanted)} {kind} (such as {wanted[0]} and {wanted[-1]}) and nothing else."
        " Arrange the files in the same way everywhere, for example in images/ and masks/."
    )


def _found(folder: Path, pattern: str, kinds: set[str]) -> set[PurePosixPath]:
    try:
        files = find_files(folder, pattern, "pattern").files
    except UserError:
        return set()
    known = PICTURES | kinds
    return {PurePosixPath(path.relative_to(folder).as_posix()) for path in files if kind_of(path) in known}


def _places(folders: Sequence[PurePosixPath]) -> Iterator[str]:
    if len(folders) == 1:
        yield str(folders[0]) if folders[0].parts else ""
        return
    if len({len(folder.parts) for folder in folders}) > 1:
        return
    columns = [sorted(set(parts)) for parts in zip(*(folder.parts for folder in folders), strict=True)]
    yield "/".join(escape(names[0]) if len(names) == 1 else "*" for names in columns)
    yield "/".join(escape(names[0]) if len(names) == 1 else f"*{escape(_shared_end(names))}" for names in columns)
    yield "/".join(escape(names[0]) if len(names) == 1 else f"{escape(_shared_start(names))}*" for names in columns)


def _names(names: Sequence[str]) -> Iterator[str]:
    """Patterns of file names: by their format, by what they begin or end with, by what others do not."""
    if suffix := _one(os.path.splitext(name)[1] for name in names):
        yield f"*{escape(suffix)}"
    if end := _shared_end(names):
        yield f"*{escape(end)}"
    if start := _shared_start(names):
        yield f"{escape(start)}*"
    if word := _shared_word(names):
        yield f"*{escape(word)}*"
    yield f"*[0-9]{escape(suffix) if suffix else '.*'}"
    # Beside 7.png, 7_mask.png is the one that ends in k.
    yield from (f"*[!{letter}]{escape(suffix) if suffix else '.*'}" for letter in "kthnlgsy")
    yield from (f"[!{letter}]*" for letter in "mglsta")


def _shared_word(names: Sequence[str]) -> str:
    """The last `_word` that all names have: `_mask` of `7_mask.png` and `7_mask_1.png`."""
    words = [re.findall(r"_[A-Za-z]+", name) for name in names]
    return next((word for word in reversed(words[0]) if all(word in one for one in words)), "")


def _one(values: Iterator[str]) -> str:
    found = set(values)
    return found.pop() if len(found) == 1 else ""


def _shared_start(names: Sequence[str]) -> str:
    """What all names begin with, without digits at its end, which belong to ids."""
    first, last = min(names), max(names)
    differ = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(differ, min(len(first), len(last)))].rstrip("0123456789")


def _shared_end(names: Sequence[str]) -> str:
    return _shared_start([name[::-1] for name in names])[::-1]
