"""Annotations that are not read: each kind with what it is called and what turns it into masks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from prn_pipeline.data.discovery.annotation_files import beginning
from prn_pipeline.data.discovery.inventory import Inventory

#: Files of a kind that are looked at.
FILES = 20
_YOLO = re.compile(r"\d+(?:\s+-?\d*\.?\d+(?:e-?\d+)?){4,}", re.IGNORECASE)
_TO_BOXES = "Masks are needed, because boxes say nothing about outlines: draw them, or let a model that takes boxes"
#: Keys that the JSON files of other programs have, and COCO, LabelMe and VIA have not.
_JSON = {
    "dm_format_version": "annotations in Datumaro's own format",
    "segments_info": "COCO's panoptic format, whose masks are pictures of ids",
    "classTitle": "annotations of Supervisely",
    "from_name": "annotations of Label Studio",
}
_CONVERT = "Export them as COCO instances, or as masks"


def foreign_annotations(inventory: Inventory) -> str:
    """What annotations there are in place of masks, and what to do with them, in sentences; "" if none is known."""
    for suffix, kind in ((".txt", _text), (".xml", _xml), (".json", _json)):
        files = [path for path in inventory.others if path.suffix.lower() == suffix]
        for path in files[:FILES]:
            if found := kind(beginning(inventory.folder / path)):
                name, remedy = found
                return f"{_named(path, files)} {'holds' if len(files) == 1 else 'hold'} {name}. {remedy}."
    return ""


def _text(text: str) -> tuple[str, str] | None:
    lines = [line.strip() for line in text.splitlines()[:5] if line.strip()]
    if not lines or not all(_YOLO.fullmatch(line) for line in lines):
        return None
    return "boxes in the format of YOLO", f"{_TO_BOXES} draw them"


def _xml(text: str) -> tuple[str, str] | None:
    if "<bndbox>" in text:
        return "boxes in the format of Pascal VOC", f"{_TO_BOXES} draw them"
    if "<annotation>" in text and "<polygon>" in text:
        return "polygons in the XML of LabelMe's web version", _CONVERT
    return None


def _json(text: str) -> tuple[str, str] | None:
    return next(((name, _CONVERT) for key, name in _JSON.items() if f'"{key}"' in text), None)


def _named(path: PurePosixPath, files: Sequence[PurePosixPath]) -> str:
    return str(path) if len(files) == 1 else f"{path} and {len(files) - 1} more {path.suffix} files"
