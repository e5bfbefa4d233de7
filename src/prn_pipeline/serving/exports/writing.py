"""Writes the masks of a folder of results in other formats, from the masks that are there."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.readers.geotiff import is_georeferenced
from prn_pipeline.data.readers.opening import explaining, open_picture
from prn_pipeline.errors import UserError, counted
from prn_pipeline.serving.exports import coco, geojson, geotiff, yolo
from prn_pipeline.serving.exports.georeference import georeference

logger = logging.getLogger(__name__)

#: Formats beside the PNG masks.
Format = Literal["coco", "yolo", "geojson"]
FORMATS = get_args(Format)
#: Packages that the formats need; all are in the extra `formats`.
PACKAGES = {"coco": ("pycocotools", "rasterio"), "yolo": ("rasterio",), "geojson": ("rasterio",)}


def require_packages(formats: Collection[Format]) -> None:
    """Raise UserError if a package that a format needs is not installed."""
    for one in formats:
        if missing := [name for name in PACKAGES[one] if find_spec(name) is None]:
            raise UserError(
                f"--format {one} needs {' and '.join(missing)}, not installed here: pip install 'prn_pipeline[formats]'"
            )


def remove_exports(out: Path, name: str) -> None:
    """Remove what was written from an earlier mask of an image: its own files, and the file of all images."""
    own = (yolo.yolo_file(out, name), geojson.geojson_file(out, name), geotiff.geotiff_file(out, name))
    for file in (*own, out / coco.FILE):
        file.unlink(missing_ok=True)


def write_exports(
    out: Path,
    formats: Collection[Format],
    masks: Mapping[str, Path],
    images: Mapping[str, Path],
    classes: Sequence[str],
) -> None:
    """Write the masks in these formats, each file atomically. Files of images that are there already are kept.

    Args:
        out: the folder of results.
        formats: what to write.
        masks: mask files by the names of their images.
        images: the images by name, and maybe others.
        classes: names of the classes, by id; empty for foreground.
    """
    if "coco" in formats:
        coco.write_coco(out, _named(masks, images), classes)
    if "yolo" in formats:
        _write_yolo(out, masks, classes)
    if "geojson" in formats:
        for name, mask in masks.items():
            if not (file := geojson.geojson_file(out, name)).is_file():
                geojson.write_geojson(file, read_mask_picture(mask), classes, georeference(images[name]))


def write_geotiffs(out: Path, masks: Mapping[str, Path], images: Mapping[str, Path], classes: Sequence[str]) -> None:
    """Write the masks of georeferenced images as GeoTIFF, with the values of the PNG masks; see `write_exports`."""
    lacking = [
        name for name in masks if not geotiff.geotiff_file(out, name).is_file() and is_georeferenced(images[name])
    ]
    if lacking and find_spec("rasterio") is None:
        logger.warning(
            "%s, but masks are written as PNG alone, without their place on the map. To"
            " write them as GeoTIFF too: pip install 'prn_pipeline[formats]', and call again",
            counted(len(lacking), "image is a GeoTIFF file", "images are GeoTIFF files"),
        )
        return
    for name in lacking:
        mask, place = read_mask_picture(masks[name]), georeference(images[name])
        if place is not None:
            values = mask if classes else mask * np.uint8(255)
            geotiff.write_geotiff(geotiff.geotiff_file(out, name), values, place)


def read_mask_picture(path: Path) -> NDArray[np.uint8]:
    """A mask that `prn refine` has written: uint8 (H, W) of 0 and 1, or of class ids.

    Raises:
        UserError: the file is damaged.
    """
    with explaining(path):
        picture = open_picture(path).pictures[0]
        values = np.asarray(picture, dtype=np.uint8)
        return values if picture.mode == "P" else (values > 0).astype(np.uint8)


def _named(masks: Mapping[str, Path], images: Mapping[str, Path]) -> Iterator[coco.MaskOfImage]:
    for name, mask in masks.items():
        image = f"{name}{images[name].name[len(Path(name).name) :]}"
        yield coco.MaskOfImage(image, read_mask_picture(mask))


def _write_yolo(out: Path, masks: Mapping[str, Path], classes: Sequence[str]) -> None:
    yolo.write_names(out, classes)
    filled = {}
    for name, mask in masks.items():
        if not (file := yolo.yolo_file(out, name)).is_file():
            filled[name] = yolo.write_yolo(file, read_mask_picture(mask), classes)
    if holes := sum(filled.values()):
        images = sum(1 for found in filled.values() if found)
        logger.warning(
            "YOLO's polygons have no holes: %s filled in the masks of %s. COCO and GeoJSON keep them",
            counted(holes, "hole is", "holes are"),
            counted(images, "image"),
        )
