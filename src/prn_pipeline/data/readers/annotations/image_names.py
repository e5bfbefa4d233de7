"""Finds the image that an annotation file means, by the end of its path."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from prn_pipeline.data.readers.file_kinds import PICTURES, UNREAD
from prn_pipeline.data.readers.sample_ids import plain_id
from prn_pipeline.errors import UserError

_SUFFIXES = PICTURES | UNREAD | {".npy", ".npz"}


class ImageNames:
    """The images below a folder, by name.

    Args:
        images: their paths.
        folder: of the data set.
    """

    def __init__(self, images: Iterable[Path], folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in images:
            self._by_name[_key(path.name)].append(path)

    def find(self, names: Iterable[str], source: Path) -> Path | None:
        """The image of the first name that any image has; None if there is none.

        The suffix need not agree, since data sets are converted. Of several images of one name, the one whose suffix
        and folders agree best is meant, then the one that lies nearest to the annotation file.

        Args:
            names: as the file writes them: names, or paths of this or another machine.
            source: the annotation file.

        Raises:
            UserError: two images fit equally well.
        """
        for name in names:
            written = _parts(name)
            found = self._by_name.get(_key(written[-1]), []) if written else []
            if not found:
                continue
            ranked = sorted(((self._agreement(path, written, source), path) for path in found), reverse=True)
            if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
                both = " and ".join(path.relative_to(self._folder).as_posix() for _, path in sorted(ranked)[:2])
                raise UserError(
                    f"{source}: the image {name} may be {both}. Narrow `images` down to the ones that are annotated, or"
                    " write the folder into the name."
                )
            return ranked[0][1]
        return None

    def _agreement(self, path: Path, written: list[str], source: Path) -> tuple[int, bool, int]:
        own = list(path.relative_to(self._folder).parts)
        folders = _same(list(reversed(own[:-1])), list(reversed(written[:-1])))
        return folders, plain_id(own[-1]) == plain_id(written[-1]), _same(list(path.parts), list(source.parts))


def _parts(name: str) -> list[str]:
    """Parts of a path in the notation of any operating system, without those that lead upwards."""
    return [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]


def _key(name: str) -> str:
    path = PurePosixPath(name)
    return plain_id(path.stem if path.suffix.lower() in _SUFFIXES else name)


def _same(one: list[str], other: list[str]) -> int:
    """Number of equal parts at the beginning."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
