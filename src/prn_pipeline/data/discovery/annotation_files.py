"""Annotation files in a folder, known by their first characters."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from prn_pipeline.data.annotation_settings import AnnotationFormat
from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.readers.annotations.annotated import Format
from prn_pipeline.data.readers.annotations.registry import FORMATS

#: Bytes of a file that are looked at.
LOOK = 65536
#: Words in names of files that have the format and no outlines of the images.
_OTHERS = ("captions", "keypoints", "panoptic", "image_info", "submission")


def annotations_in(inventory: Inventory) -> tuple[AnnotationFormat, list[PurePosixPath]] | None:
    """The first format of which there are files, and these; None if there is none."""
    return next(((name, files) for name, format in FORMATS.items() if (files := _files(inventory, format))), None)


def _files(inventory: Inventory, format: Format) -> list[PurePosixPath]:
    candidates = [
        path
        for path in inventory.others
        if path.suffix.lower() == format.suffix and path.name not in format.categories_file
    ]
    looks = {path: format.recognises(beginning(inventory.folder / path)) for path in candidates}
    places = {path.parent for path, certain in looks.items() if certain}
    found = [path for path, certain in looks.items() if certain or (certain is None and path.parent in places)]
    return [path for path in found if not any(word in path.name.lower() for word in _OTHERS)] or found


def beginning(path: Path) -> str:
    """The first characters of a file; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(LOOK).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""
