"""Tables of run-length codes, as in Kaggle's competitions: a row per object or per image, pairs of start and length."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations, Format, Shape
from prn_pipeline.data.readers.annotations.coco import UNNAMED
from prn_pipeline.data.readers.annotations.run_lengths import from_starts, whole_numbers
from prn_pipeline.data.readers.annotations.shapes import Region
from prn_pipeline.data.readers.annotations.text_files import read_text
from prn_pipeline.errors import UserError

#: Names of columns, in lower case and without separators, the likeliest first.
_CODES = ("encodedpixels", "rle", "rlemask", "maskrle", "rlecode", "encodedmask", "annotation", "segmentation", "mask")
_IMAGES = ("imageid", "image", "imagename", "filename", "file", "img", "imgid", "id", "name")
_CLASSES = ("classid", "class", "label", "category", "classname")
#: One column with both: `a.jpg_3`.
_BOTH = ("imageidclassid", "imagelabel", "imageclass")
#: What stands for no object.
_NOTHING = ("", "-1", "nan", "none", "null")


def recognises(text: str) -> bool:
    """Whether a table has a column of codes and one of images, and its first code is pairs of numbers, or empty."""
    lines = text.splitlines()
    columns = _columns(re.split(r"[,;\t]", lines[0])) if lines else None
    return columns is not None and (
        columns[0] in ("encodedpixels", "rle") or bool(re.search(r"[,;\t]\"?\d+ \d+", text))
    )


def read(folder: Path, files: Sequence[Path], settings: AnnotationSettings) -> Annotations:
    """The codes of each image. One whose codes are all empty shows nothing.

    Raises:
        UserError: a file is no such table.
    """
    images: list[AnnotatedImage] = []
    classes: dict[str, None] = {}
    for path in files:
        table = _table(path)
        columns = _columns(list(table.columns))
        if columns is None:
            raise UserError(
                f"{path}: the columns {', '.join(map(repr, table.columns[:8]))}, expected one of images, such as"
                " `ImageId`, and one of run-length codes, such as `EncodedPixels`. Rename them."
            )
        code, image, category = (column and _own(table, column) for column in columns)
        of_image: dict[str, list[Shape]] = defaultdict(list)
        names, codes = table[image], table[code]
        if _plain(str(image)) in _BOTH:
            split = names.str.rpartition("_")
            names, kinds = split[0], split[2]
        else:
            kinds = table[category] if category else pd.Series([UNNAMED] * len(table))
        rows = zip(names.str.strip(), kinds.str.strip(), codes.str.strip(), strict=True)
        for number, (name, kind, text) in enumerate(rows, 2):  # the header is line 1
            found = of_image[name]
            if text.lower() not in _NOTHING:
                found.append(Shape(kind, f"row {number}", partial(_draw, text, settings.by_row)))
                classes.setdefault(kind)
        images += [AnnotatedImage((name,), path, partial(list, shapes)) for name, shapes in of_image.items()]
    return Annotations(images, tuple(classes))


def _table(path: Path) -> pd.DataFrame:
    text = read_text(path)
    try:
        separator = max(",;\t", key=text.partition("\n")[0].count)
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, sep=separator)
    except (ValueError, pd.errors.ParserError) as error:
        raise UserError(f"{path}: not a readable CSV table ({error}). Save it again.") from error
    _refuse_cut_rows(path, text, separator, list(table.columns))
    return table


def _refuse_cut_rows(path: Path, text: str, separator: str, columns: list[str]) -> None:
    """Refuse rows that end before the code, which pandas takes for an empty one: that its image shows nothing."""
    known = _columns(columns)
    if known is None or '"' in text:  # quoted cells may have line breaks and separators
        return
    plain = [_plain(name) for name in columns]
    needed = max(plain.index(name) for name in known[:2] if name)
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and line.count(separator) < needed:
            raise UserError(
                f"{path}: row {number} ('{line[:40]}') is cut off. If the file is, export it again; an"
                f" image that shows nothing has an empty code: '{separator}' behind its name."
            )


def _columns(names: Sequence[str]) -> tuple[str, str, str | None] | None:
    """The columns of codes, of images and of classes, as plain names; None if there are no codes or no images."""
    plain = [_plain(name) for name in names]
    code = next((name for name in _CODES if name in plain), None)
    image = next((name for name in (*_BOTH, *_IMAGES) if name in plain), None)
    category = next((name for name in _CLASSES if name in plain), None)
    return (code, image, category) if code and image else None


def _own(table: pd.DataFrame, plain: str) -> str:
    return next(name for name in table.columns if _plain(name) == plain)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _draw(text: str, by_row: bool, height: int, width: int) -> Region:
    return Region(0, 0, from_starts(whole_numbers(text), height, width, by_row))


RUN_LENGTHS = Format("a table of run-length codes", ".csv", recognises, read)
