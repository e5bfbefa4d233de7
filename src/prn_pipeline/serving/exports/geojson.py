"""Masks as polygons of GeoJSON, with their holes: in pixels, or on the map of a georeferenced image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.serving.exports.georeference import Georeference
from prn_pipeline.serving.exports.objects import MaskObject, categories, objects_of
from prn_pipeline.serving.exports.outlines import Ring, outlines

#: Folder of the files in the folder of results.
FOLDER = "geojson"


def geojson_file(out: Path, name: str) -> Path:
    """The file of an image."""
    return out / FOLDER / f"{name}.geojson"


def write_geojson(
    file: Path, mask: NDArray[np.uint8], classes: Sequence[str], place: Georeference | None = None
) -> None:
    """Write the objects of a mask as features, atomically.

    Args:
        file: the file.
        mask: uint8 (H, W).
        classes: names of the classes, by id; empty for foreground.
        place: where the image lies on the map; None gives pixels, x to the right and y down from the corner.
    """
    names = list(categories(classes).values())
    features = [_feature(found, names[found.category], place) for found in objects_of(mask, classes)]
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if place is not None and place.name:
        collection["crs"] = {"type": "name", "properties": {"name": place.name}}
    with atomic_write(file) as temporary:
        temporary.write_text(json.dumps(collection))


def _feature(found: MaskObject, name: str, place: Georeference | None) -> dict[str, Any]:
    parts = [[_on_map(ring, place) for ring in rings] for rings in outlines(found)]
    geometry = {"type": "Polygon", "coordinates": parts[0]}
    if len(parts) > 1:
        geometry = {"type": "MultiPolygon", "coordinates": parts}
    return {"type": "Feature", "properties": {"class": name, "pixels": int(found.pixels.sum())}, "geometry": geometry}


def _on_map(ring: Ring, place: Georeference | None) -> list[list[float]]:
    return [list(point if place is None else place.of(*point)) for point in ring]
