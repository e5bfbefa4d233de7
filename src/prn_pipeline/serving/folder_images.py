"""The images of a folder and its sub-folders, by name."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from pathlib import Path

from prn_pipeline.data.readers.band_decoding import EXTENSIONS
from prn_pipeline.data.readers.file_kinds import PICTURES, UNREAD, how_to_read, kind_of, stem_of
from prn_pipeline.data.readers.finding import is_bookkeeping
from prn_pipeline.data.readers.listing import require_text
from prn_pipeline.errors import UserError
from prn_pipeline.serving.journal import NAME

logger = logging.getLogger(__name__)
#: Duplicated names that one error lists.
MAX_LISTED = 3


def images_below(place: Path, bands: bool, results: Path) -> dict[str, Path]:
    """Name -> file, sorted by name; a name is the path relative to `place`, without the file extension.

    Pictures of kinds that are not read here are counted in a warning. Links to nothing are among the images, so that
    refining them fails.

    Args:
        place: a folder, or one image.
        bands: whether arrays and TIFF files of many bands are images too, in addition to pictures.
        results: the folder of results. Its files are not images to refine, nor are results of earlier runs.

    Raises:
        UserError: the folder of results contains the images; there is no image; two files have the same name; or a
            file name is not valid text.
    """
    if place.is_file():
        require_text([place], place.parent)
        return {stem_of(place): place}
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    extensions = EXTENSIONS if bands else PICTURES
    place, results = place.resolve(), results.resolve()
    if place.is_relative_to(results):
        raise UserError(f"{results} contains the images to refine: choose another folder for the results")
    result_folders = {journal.parent for journal in place.rglob(NAME)} | {results}
    found: dict[str, list[Path]] = defaultdict(list)
    unread: Counter[str] = Counter()
    for path in sorted(place.rglob("*")):
        relative, suffix = path.relative_to(place), kind_of(path)
        if path.is_dir() or is_bookkeeping(relative) or not result_folders.isdisjoint(path.parents):
            continue
        if suffix in extensions:
            found[relative.with_name(stem_of(relative)).as_posix()].append(path)
        elif suffix in UNREAD:
            unread[suffix] += 1
    require_text((path for files in found.values() for path in files), place)
    passed_over = _passed_over(unread)
    if not found:
        raise UserError(
            f"{place}: no image in this folder or its sub-folders ({', '.join(sorted(extensions))}){passed_over}"
        )
    if unread:
        logger.warning("%s%s", place, passed_over)
    if duplicates := [files for files in found.values() if len(files) > 1]:
        listed = "; ".join(" and ".join(file.name for file in files) for files in duplicates[:MAX_LISTED])
        raise UserError(
            f"{place}: {len(duplicates)} names belong to several images ({listed}), so their masks would overwrite each"
            " other. Rename or remove one of each."
        )
    return {name: files[0] for name, files in sorted(found.items())}


def _passed_over(unread: Counter[str]) -> str:
    if not unread:
        return ""
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in unread.most_common(MAX_LISTED))
    return f": {unread.total()} pictures are of kinds that are not read ({kinds}). {how_to_read(unread)}"
