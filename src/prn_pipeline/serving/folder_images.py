"""The images of a folder and its sub-folders, by name."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from prn_pipeline.data.readers.band_decoding import EXTENSIONS
from prn_pipeline.data.readers.decoding import EXTENSIONS as PICTURES
from prn_pipeline.data.readers.listing import require_text
from prn_pipeline.errors import UserError
from prn_pipeline.serving.journal import NAME

NAMED = 3


def images_below(place: Path, bands: bool, besides: Path) -> dict[str, Path]:
    """Name -> file, in order of the names; a name is the path below `place`, without its ending.

    Args:
        place: a folder, or one image.
        bands: images are arrays or TIFF of many bands, and not only pictures.
        besides: the folder of results, whose files are no images of ours; nor are those of earlier runs.

    Raises:
        UserError: the results would lie among the images; there are none, two files would have one name, or a
            name is no text.
    """
    if place.is_file():
        require_text([place], place.parent)
        return {place.stem: place}
    if not place.is_dir():
        raise UserError(f"{place}: no such file or folder")
    extensions = EXTENSIONS if bands else PICTURES
    place, besides = place.resolve(), besides.resolve()
    if place.is_relative_to(besides):
        raise UserError(f"{besides} holds the images that are to be refined: name another folder for the results")
    earlier = {journal.parent for journal in place.rglob(NAME)} | {besides}  # masks and overlays are no photos
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(place.rglob("*")):
        below = path.relative_to(place)
        hidden = any(part.startswith(".") for part in below.parts)
        if path.suffix.lower() in extensions and not hidden and path.is_file() and earlier.isdisjoint(path.parents):
            found[below.with_suffix("").as_posix()].append(path)
    require_text((path for files in found.values() for path in files), place)
    if not found:
        raise UserError(f"{place}: no image in it or below it ({', '.join(sorted(extensions))})")
    if twice := [files for files in found.values() if len(files) > 1]:
        listed = "; ".join(" and ".join(file.name for file in files) for files in twice[:NAMED])
        raise UserError(
            f"{place}: {len(twice)} names stand for more than one image ({listed}), whose masks would have one name."
            " Rename or remove one of each."
        )
    return {name: files[0] for name, files in sorted(found.items())}
