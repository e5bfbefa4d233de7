"""The images of a folder and its sub-folders, by name."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from prn_pipeline.data.readers.band_decoding import EXTENSIONS
from prn_pipeline.data.readers.decoding import EXTENSIONS as PICTURES
from prn_pipeline.data.readers.listing import require_text
from prn_pipeline.errors import UserError
from prn_pipeline.serving.journal import NAME

#: Duplicated names that one error lists.
MAX_LISTED = 3


def images_below(place: Path, bands: bool, results: Path) -> dict[str, Path]:
    """Name -> file, sorted by name; a name is the path relative to `place`, without the file extension.

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
        return {place.stem: place}
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    extensions = EXTENSIONS if bands else PICTURES
    place, results = place.resolve(), results.resolve()
    if place.is_relative_to(results):
        raise UserError(f"{results} contains the images to refine: choose another folder for the results")
    result_folders = {journal.parent for journal in place.rglob(NAME)} | {results}
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(place.rglob("*")):
        relative = path.relative_to(place)
        hidden = any(name.startswith(".") for name in relative.parts)
        is_image = path.suffix.lower() in extensions and not hidden and path.is_file()
        if is_image and result_folders.isdisjoint(path.parents):
            found[relative.with_suffix("").as_posix()].append(path)
    require_text((path for files in found.values() for path in files), place)
    if not found:
        raise UserError(f"{place}: no image in this folder or its sub-folders ({', '.join(sorted(extensions))})")
    if duplicates := [files for files in found.values() if len(files) > 1]:
        listed = "; ".join(" and ".join(file.name for file in files) for files in duplicates[:MAX_LISTED])
        raise UserError(
            f"{place}: {len(duplicates)} names belong to several images ({listed}), so their masks would overwrite each"
            " other. Rename or remove one of each."
        )
    return {name: files[0] for name, files in sorted(found.items())}
