"""A request to a served predictor: a table of encoded images, checked before it is decoded."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prn_pipeline.data.readers.headers.declared import declared_size
from prn_pipeline.data.readers.map_decoding import decode_map
from prn_pipeline.data.readers.map_geometry import placed, turned
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_import import as_maps
from prn_pipeline.segmentation.map_places import MapPlace
from prn_pipeline.serving.given_maps import for_requests
from prn_pipeline.serving.item import Item
from prn_pipeline.serving.pictures import mask_picture, probability_bytes
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.sources import decoded

IMAGE, MAP = "image", "map"
#: Values of a pixel that the limit of pixels allows for in any case: colours and transparency.
MAX_CHANNELS = 4
#: First bytes of file types that Pillow does not recognise, or not correctly.
MAGIC = {b"\x93NUMPY": ".npy", b"II*\x00": ".tif", b"MM\x00*": ".tif", b"II+\x00": ".tif", b"MM\x00+": ".tif"} | {
    b"\x1f\x8b": ".nii.gz",
    b"\x5c\x01\x00\x00": ".nii",
    b"\x00\x00\x01\x5c": ".nii",
}


def columns_of(predictor: Predictor) -> dict[str, bool]:
    """Columns of a request by name -> whether they are required."""
    if predictor.base.runnable is not None:
        return {IMAGE: True}
    further = {name: True for name, _, _ in _further_columns(predictor)}
    return {MAP: True, **further, IMAGE: "images" in predictor.refiner.arrays}


def _further_columns(predictor: Predictor) -> list[tuple[str, str, MapPlace]]:
    """Name of a column, array that is made of its maps, and how they are read, of each further map of an image."""
    places = [(array, place) for array, found in predictor.further.items() for place in found]
    return [(f"{MAP}_{number}", array, place) for number, (array, place) in enumerate(places, start=2)]


def answer(
    predictor: Predictor,
    table: pd.DataFrame,
    probabilities: bool = False,
    at_own_scale: bool = False,
    given_up: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """Answer a request with masks.

    Args:
        predictor: the served predictor.
        table: one row per image with the columns of `columns_of`; each value is the content of a file (png, jpg, tif,
            npy, ...) as bytes.
        probabilities: also return probability maps.
        at_own_scale: see `Predictor.predict`.
        given_up: whether nobody waits for the answer any longer; asked before each image.

    Returns:
        One row per image: mask (base64 of a PNG: 255 is foreground, or class ids), height, width, foreground (share of
        foreground pixels; with classes, of pixels that are not class 0), and probabilities (base64 of a 16-bit PNG;
        with classes, of a .npy file).

    Raises:
        UserError: the request is invalid, or it has been given up.
    """
    limits = predictor.settings.limits
    if not 0 < len(table) <= limits.images:
        raise UserError(f"{len(table)} images, expected 1 to {limits.images} in a request: send several requests")
    _check_total(table, limits.request_megabytes)
    rows = []
    for examined in predictor.examine(_items(predictor, table, given_up), at_own_scale):
        mask, maps = examined.predicted
        picture = io.BytesIO()
        mask_picture(mask, predictor.classes).save(picture, "PNG")
        row = {
            "mask": base64.b64encode(picture.getvalue()).decode(),
            "height": mask.shape[0],
            "width": mask.shape[1],
            "foreground": float(np.mean(mask != 0)),
        }
        if probabilities:
            row["probabilities"] = base64.b64encode(probability_bytes(maps)).decode()
        rows.append(row)
    return pd.DataFrame(rows)


def _items(predictor: Predictor, table: pd.DataFrame, given_up: Callable[[], bool]) -> Iterator[Item]:
    expected = columns_of(predictor)
    if missing := [name for name, required in expected.items() if required and name not in table]:
        raise UserError(f"columns {', '.join(map(str, table.columns))}, expected {', '.join(missing)}")
    for index, (_, row) in enumerate(table.iterrows()):
        if given_up():
            raise UserError(f"row {index}: given up, because nobody waits for the answer any longer")
        try:
            image = _image(predictor, row[IMAGE]) if expected[IMAGE] or _has_value(row.get(IMAGE)) else None
            logits = None
            further: dict[str, list[NDArray[np.float32]]] = {}
            if predictor.base.runnable is None:
                native = None if image is None else (image.shape[0], image.shape[1])
                logits = _maps(predictor, predictor.base.settings.places[0].reading, row[MAP], native)
                for column, array, place in _further_columns(predictor):
                    further.setdefault(array, []).append(_maps(predictor, place.reading, row[column], native))
        except UserError as error:
            raise UserError(f"row {index}: {error}") from None
        yield Item(image, logits, further)


def _has_value(value: object) -> bool:
    return not (value is None or (isinstance(value, float) and np.isnan(value)))


def _image(predictor: Predictor, content: object) -> Pixels:
    with _as_file(content, predictor) as path:
        return decoded(path, *predictor.settings.reading)


def _maps(
    predictor: Predictor, reading: MapReading, content: object, native: tuple[int, int] | None
) -> NDArray[np.float32]:
    """The maps of a file, read as the predictor's own maps were; without an image they are not compared with one."""
    if native is None and reading.fit != "stretch":
        raise UserError(f"a map with padding (`fit: {reading.fit}`) without its image: send the column {IMAGE} too")
    try:
        with _as_file(content, predictor) as path:
            logits = decode_map(path, None, reading, predictor.classes)
            if native is None:
                upright = turned(logits, reading.orientation)
            else:
                upright = placed(logits, reading, native, str(path))
    except UserError as error:
        raise UserError(for_requests(str(error))) from None
    return as_maps(upright, predictor.classes, reading.holds_logits).numpy()


@contextmanager
def _as_file(content: object, predictor: Predictor) -> Iterator[Path]:
    """Write a value of a request to a temporary file, whose path error messages replace by "the file"."""
    limits, bands = predictor.settings.limits, predictor.settings.bands
    if not isinstance(content, bytes):
        raise UserError(f"a value of type {type(content).__name__}, expected the bytes of a file (base64 in JSON)")
    if not 0 < len(content) <= limits.megabytes * 2**20:
        raise UserError(f"a file of {len(content)} bytes, expected 1 to {limits.megabytes} MiB")
    suffix = next((kind for magic, kind in MAGIC.items() if content.startswith(magic)), ".png")
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        try:
            _check_pixels(
                Path(file.name), limits.megapixels, max(MAX_CHANNELS, bands.count if bands else 0, predictor.classes)
            )
            yield Path(file.name)
        except UserError as error:
            raise UserError(str(error).replace(file.name, "the file")) from None


def _check_pixels(path: Path, limit: int, channels: int) -> None:
    """Check the size in the header before decoding, because a small file can hold a huge picture.

    Args:
        path: of any kind that is read.
        limit: millions of pixels.
        channels: values of a pixel; a file with more of them may have fewer pixels.
    """
    try:
        declared = declared_size(path)
    except UserError:
        raise
    except Exception as error:  # Pillow, numpy and others raise many types
        raise UserError(f"{path}: not a readable picture ({error})") from error
    if declared.pixels * max(1, declared.bands / channels) > limit * 1e6:
        raise UserError(f"{path}: {declared}, expected at most {limit} million; cut it into tiles")


def _check_total(table: pd.DataFrame, megabytes: int) -> None:
    total = sum(len(content) for name in table for content in table[name] if isinstance(content, bytes | str))
    if total > megabytes * 2**20:
        raise UserError(f"{total / 2**20:.4g} MiB in one request, expected at most {megabytes}: send several requests")
