"""Annotation files and images -> the samples of a data set."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from prn_pipeline.data.annotation_settings import AnnotationSettings
from prn_pipeline.data.readers.annotations.annotated import AnnotatedImage, Annotations
from prn_pipeline.data.readers.annotations.categories import check_categories
from prn_pipeline.data.readers.annotations.image_names import ImageNames
from prn_pipeline.data.readers.annotations.registry import FORMATS
from prn_pipeline.data.readers.band_decoding import EXTENSIONS
from prn_pipeline.data.readers.contents import absent_kind, require_contents
from prn_pipeline.data.readers.file_account import FileAccount
from prn_pipeline.data.readers.file_kinds import PICTURES
from prn_pipeline.data.readers.finding import find_files
from prn_pipeline.data.readers.listing import list_pictures
from prn_pipeline.data.readers.sample_files import Files
from prn_pipeline.data.readers.sample_ids import ids_of_images
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError, counted, counted_of

logger = logging.getLogger(__name__)

#: Names in one message.
MAX_LISTED = 5
#: Of COCO's own annotations, one in eighty is a crowd.
FEW_CROWDS = 0.02


def annotated_samples(
    folder: Path, settings: DatasetSettings, account: FileAccount, index: dict[Path, AnnotatedImage]
) -> Files:
    """The image and the annotation file of each sample.

    The id of a sample is the name of its image without suffix; where two images have one name, its path.

    Args:
        folder: of the data set, or of one of its splits.
        settings: of the data set, with `annotations`.
        account: receives what is found and left out.
        index: receives what is said of each image, by its path.

    Raises:
        UserError: files are missing, damaged, or do not fit the images; or a category is unknown.
    """
    chosen = settings.annotations
    assert chosen is not None
    files = annotation_files(folder, chosen)
    require_contents((path for path in files if absent_kind(path) != "empty"), folder)
    found = FORMATS[chosen.format].read(folder, files, chosen)
    check_categories(folder, found.categories, settings)
    if chosen.crowd is None and found.crowds > FEW_CROWDS:
        raise UserError(
            f"{folder}: {100 * found.crowds:.0f} % of the annotations are marked as crowds (iscrowd: 1). Programs such"
            " as Datumaro mark painted objects so: set `annotations: {crowd: foreground}`; or `{crowd: ignore}`, if"
            " they are coarse regions to ignore."
        )
    if found.crowds and chosen.crowd is None:
        logger.warning(
            "%s: %.1f %% of the annotations are marked as crowds (iscrowd: 1), and their pixels do not count. If they"
            " are objects, set `annotations: {crowd: foreground}`",
            folder,
            100 * found.crowds,
        )
    extensions = PICTURES if settings.bands is None else EXTENSIONS
    besides = {*files, *_names(folder, chosen), *(folder / file for file in settings.split.files)}
    images = list_pictures(folder, settings.images, "images", extensions, account, besides=besides)
    said = _by_image(found, images, folder, chosen, account)
    unlisted = [path for path in images if path not in said]
    if chosen.unlisted == "background":
        said |= {path: AnnotatedImage((path.name,), files[0], list) for path in unlisted}
    elif unlisted:
        names = _listed([path.relative_to(folder).as_posix() for path in unlisted])
        logger.warning(
            "%s: %s in no annotation file: left out, as not labelled (%s). If they are and show"
            " nothing, set `annotations: {unlisted: background}`",
            folder,
            counted_of(len(unlisted), len(images), "images"),
            names,
        )
        account.leave_out("image", "in no annotation file", (path.name for path in unlisted))
    account.add("annotation files", len(files))
    account.annotate(
        FORMATS[chosen.format].label, (one.category for image in said.values() for one in image.outlines())
    )
    index.update(said)
    ids = ids_of_images(said, folder)
    return {ids[path]: {"image": [path], "mask": [said[path].source]} for path in sorted(ids, key=ids.__getitem__)}


def annotation_files(folder: Path, settings: AnnotationSettings) -> list[Path]:
    """The files that the patterns of the settings find, sorted, without the one that names the categories.

    Raises:
        UserError: a pattern finds none.
    """
    suffix = FORMATS[settings.format].suffix
    files: set[Path] = set()
    for pattern in settings.files:
        found = {
            path for path in find_files(folder, pattern, "annotations.files").files if path.suffix.lower() == suffix
        }
        if not found:
            raise UserError(
                f"{folder / pattern}: no {suffix} files. Put the annotations there, or correct `annotations.files`."
            )
        files |= found
    return sorted(files - set(_names(folder, settings)))


def _by_image(
    found: Annotations, images: Sequence[Path], folder: Path, settings: AnnotationSettings, account: FileAccount
) -> dict[Path, AnnotatedImage]:
    names = ImageNames(images, folder)
    said: dict[Path, AnnotatedImage] = {}
    absent = []
    for one in found.images:
        path = names.find(one.names, one.source)
        if path is None:
            absent.append(one.names[0])
        elif path in said:
            raise UserError(
                f"{one.source}: {one.names[0]} and {said[path].names[0]} of {said[path].source.name} are both about the"
                f" image {path.relative_to(folder)}. Keep one of them, or narrow down `annotations.files`."
            )
        else:
            said[path] = one
    if absent and (settings.missing == "refuse" or not said):
        raise UserError(
            f"{folder}: {len(absent)} of {len(found.images)} annotated images are not among the {len(images)} of"
            f" `images`: {_listed(absent)}. Add them, correct `images`, or set `annotations: {{missing: leave_out}}`."
        )
    if absent:
        missing = counted(len(absent), "annotated image")
        logger.warning("%s: %s missing: left out (%s)", folder, missing, _listed(absent))
        account.leave_out("annotation", "of images that are missing", absent)
    return said


def _names(folder: Path, settings: AnnotationSettings) -> list[Path]:
    return [folder / settings.names] if settings.names else []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MAX_LISTED]) + (", ..." if len(names) > MAX_LISTED else "")
