"""Keeps account of the files of a data set: what was found, and what was left out and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

#: Examples that are kept of each reason.
MAX_LISTED = 5
#: Words of the readers for a kind of file -> its name in the account.
_KINDS = {"image": "images", "mask": "masks", "ignore region": "ignore regions", "ignore_region": "ignore regions"}


class FileAccount:
    """Counts of files by kind (images, masks, ignore regions) and, of those left out, by reason."""

    def __init__(self) -> None:
        self._found: Counter[str] = Counter()
        #: What annotation files are called, "" if there are none; and category -> its outlines.
        self.format, self.outlines = "", Counter[str]()
        self._left_out: dict[tuple[str, str], list[str]] = defaultdict(list)

    @property
    def found(self) -> dict[str, int]:
        """Kind -> pictures that the data set's patterns find."""
        return dict(self._found)

    def add(self, kind: str, count: int) -> None:
        """Note pictures that were found."""
        self._found[_KINDS.get(kind, kind)] += count

    def leave_out(self, kind: str, reason: str, names: Iterable[str]) -> None:
        """Note files of one kind that are not used."""
        for name in names:
            self._left_out[_KINDS.get(kind, kind), reason].append(name)

    def annotate(self, format: str, categories: Iterable[str]) -> None:
        """Note the format of annotation files, and the category of each outline in them."""
        self.format = format
        self.outlines.update(categories)

    def rows(self) -> list[dict[str, object]]:
        """One row per kind and reason: kind, reason, count, examples."""
        return [
            {"kind": kind, "reason": reason, "count": len(names), "examples": names[:MAX_LISTED]}
            for (kind, reason), names in self._left_out.items()
        ]
