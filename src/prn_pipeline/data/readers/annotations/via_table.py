"""The CSV tables of the VGG Image Annotator: a row per region, and one for an image without regions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import Annotations, Format
from prn_pipeline.data.readers.annotations.text_files import read_text
from prn_pipeline.data.readers.annotations.via import AGAIN, ViaRegion, of_regions, region
from prn_pipeline.errors import UserError

_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")


def recognises(text: str) -> bool:
    """Whether a table begins like one of VIA."""
    return _COLUMNS[1] in text.partition("\n")[0]


def read(folder: Path, files: Sequence[Path], settings: AnnotationSettings) -> Annotations:
    """The regions of CSV tables.

    Raises:
        UserError: a file is none of VIA's.
    """
    return of_regions((path, _images(path)) for path in files)


def _images(path: Path) -> dict[str, list[ViaRegion]]:
    """Image -> its regions. Version 1 begins the line of the columns with `#`."""
    table = csv.DictReader(io.StringIO(read_text(path).removeprefix("#")))
    images: dict[str, list[ViaRegion]] = {}
    try:
        if missing := [column for column in _COLUMNS if column not in (table.fieldnames or ())]:
            raise UserError(f"{path}: no column {missing[0]!r}. {AGAIN}, as CSV.")
        for row in table:
            name, *written = (row[column] or "" for column in _COLUMNS)
            if not name:
                raise UserError(f"{path}: line {table.line_num}: no 'filename'. {AGAIN}, as CSV.")
            regions = images.setdefault(name, [])
            shape, said = (json.loads(text or "{}") for text in written)
            if shape != {}:
                regions.append(region(path, name, len(regions) + 1, shape, said))
    except (ValueError, RecursionError, csv.Error) as error:
        raise UserError(f"{path}: line {table.line_num}: {str(error)[:120]}. {AGAIN}, as CSV.") from None
    return images


VIA_TABLE = Format("the VGG Image Annotator", ".csv", recognises, read)
