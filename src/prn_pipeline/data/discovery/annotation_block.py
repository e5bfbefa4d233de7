"""Annotation files in a folder -> the keys that read them: `annotations`, `images`, and the split of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from prn_pipeline.data.annotation_settings import AnnotationFormat, AnnotationSettings
from prn_pipeline.data.discovery.annotation_files import annotations_in
from prn_pipeline.data.discovery.annotation_meaning import SAMPLE, meaning_of
from prn_pipeline.data.discovery.annotation_patterns import file_patterns
from prn_pipeline.data.discovery.inventory import Inventory
from prn_pipeline.data.discovery.mask_rule import evenly
from prn_pipeline.data.discovery.patterns import pattern_of
from prn_pipeline.data.discovery.split_choice import choose_splits
from prn_pipeline.data.discovery.words import split_of
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations, Format
from prn_pipeline.data.readers.annotations.categories import is_background
from prn_pipeline.data.readers.annotations.image_names import ImageNames
from prn_pipeline.data.readers.annotations.registry import FORMATS
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError, counted

#: Categories in one sentence.
MAX_LISTED = 12


class FoundAnnotations(NamedTuple):
    """Annotations that can be read.

    Attributes:
        block: the keys `annotations` and `images`.
        files: of the annotations, relative to the folder.
        images: that are annotated, likewise.
        splits: split -> its images, where the files or the folders name splits; otherwise empty.
        notes: what was decided without proof, one sentence each.
    """

    block: dict[str, Any]
    files: list[PurePosixPath]
    images: list[PurePosixPath]
    splits: Mapping[str, Sequence[PurePosixPath]]
    notes: tuple[str, ...]


def find_annotations(inventory: Inventory) -> FoundAnnotations | None:
    """The annotations of the first format that is found and fits images; None if there is none.

    Raises:
        UserError: files of such a format are damaged, or no image is among the pictures.
    """
    found = annotations_in(inventory)
    return _understood(inventory, *found) if found and inventory.pictures else None


def _understood(inventory: Inventory, name: AnnotationFormat, files: list[PurePosixPath]) -> FoundAnnotations:
    folder, format = inventory.folder, FORMATS[name]
    names = min(
        (path for path in inventory.others if path.name in format.categories_file),
        key=lambda path: (format.categories_file.index(path.name), len(path.parts)),
        default=None,
    )
    keys: dict[str, Any] = {"format": name} | ({"names": str(names)} if names else {})
    read = format.read(folder, [folder / path for path in files], AnnotationSettings(files=("x",), **keys))
    known = ImageNames((folder / path for path in inventory.pictures), folder)
    found = [(one, known.find(one.names, one.source)) for one in read.images]
    present = [(one, PurePosixPath(path.relative_to(folder).as_posix())) for one, path in found if path]
    if not present:
        raise UserError(
            f"{folder}: {counted(len(files), 'file')} of {format.label} with {counted(len(found), 'image')}, such as"
            f" {read.images[0].names[0] if found else 'none'}, but none of these is among the {len(inventory.pictures)}"
            " pictures. Put the annotated images there."
        )
    if not any(one.outlines() for one, _ in present):
        raise UserError(
            f"{folder}: {counted(len(files), 'file')} of {format.label} for {counted(len(present), 'image')}, without"
            " any outline. Export the annotations again, or remove these files."
        )
    used = _used(read.images, [one for one, _ in present])
    files = [path for path in files if folder / path in used]
    images = sorted({path for _, path in present})
    missing = sum(path is None and one.source in used for one, path in found)
    keys = (
        keys | {"files": file_patterns(inventory, format, files, names)} | ({"missing": "leave_out"} if missing else {})
    )
    meaning = meaning_of(read, [(one, path) for one, path in found if path])
    keys |= meaning.keys
    block = {"annotations": keys, "images": _images(inventory, images)}
    if block["images"] == DatasetSettings.model_fields["images"].default:
        del block["images"]
    notes = list(_notes(format, read, [one for one, _ in present], len(inventory.pictures) - len(images)))
    notes += meaning.notes
    if missing:
        notes.append(f"{counted(missing, 'annotated image')} missing, and left out (`annotations.missing`).")
    return FoundAnnotations(
        block, [*files, *([names] if names else [])], images, _splits(present, folder), tuple(notes)
    )


def _used(images: Sequence[AnnotatedImage], present: Sequence[AnnotatedImage]) -> set[Path]:
    """Files about images that are there, and those of one image each beside them: patterns find these too."""
    used = {one.source for one in present}
    of_source, places = Counter(one.source for one in images), {source.parent for source in used}
    return used | {source for source, count in of_source.items() if count == 1 and source.parent in places}


def _images(inventory: Inventory, images: list[PurePosixPath]) -> str:
    """A pattern for the images and those that lie beside them, or for all pictures."""
    places = {path.parent for path in images}
    for wanted in ([path for path in inventory.pictures if path.parent in places], inventory.pictures):
        try:
            return pattern_of(inventory.folder, wanted, "images")
        except UserError:
            pass
    return "**/*"


def _splits(
    present: Sequence[tuple[AnnotatedImage, PurePosixPath]], folder: Path
) -> dict[str, Sequence[PurePosixPath]]:
    """Splits that the names of files with many images, or folders, give; none unless they name one for each image."""
    of_source = Counter(one.source for one, _ in present)
    found: dict[str | None, list[PurePosixPath]] = {}
    for one, path in present:
        source = PurePosixPath(one.source.relative_to(folder).with_suffix("").as_posix())
        split = split_of(source if of_source[one.source] > 1 else source.parent) or split_of(path.parent)
        found.setdefault(split, []).append(path)
    named: dict[str, Sequence[PurePosixPath]] = {split: paths for split, paths in found.items() if split}
    return {} if None in found or choose_splits(named) is None else named


def _notes(format: Format, read: Annotations, images: Sequence[AnnotatedImage], others: int) -> Iterator[str]:
    categories = [name for name in read.categories if not is_background(name)] or list(read.categories)
    listed = ", ".join(f"'{name}'" for name in categories[:MAX_LISTED])
    listed += ", ..." if len(categories) > MAX_LISTED else ""
    yield f"Annotations of {format.label} for {counted(len(images), 'image')}, with outlines of {listed or 'nothing'}."
    if len(categories) > 1:
        yield (
            "Each category is foreground: `annotations: {categories: [...]}` picks some; for a map of each, set `task:"
            f" multiclass` and `classes: [background, {', '.join(categories[:MAX_LISTED])}]`."
        )
    if others > 0:
        yield f"{counted(others, 'picture')} in no annotation file: left out (`annotations.unlisted`)."
    shapes = [shape for place in evenly(range(len(images)), SAMPLE) for shape in images[place].outlines()]
    if shapes and all(shape.is_box for shape in shapes):
        yield "All outlines that were looked at are rectangles: if they are boxes around objects, they are no masks."
