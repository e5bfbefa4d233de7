"""A request to a served predictor: a table of encoded images, checked before anything is decoded."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from PIL import Image

from prn_pipeline.data.readers.map_decoding import decode_map
from prn_pipeline.data.sample_format import Pixels
from prn_pipeline.errors import UserError
from prn_pipeline.segmentation.map_import import as_maps
from prn_pipeline.segmentation.settings import MapFilesSettings
from prn_pipeline.serving.pictures import mask_picture, probability_bytes
from prn_pipeline.serving.predictor import Item, Predictor
from prn_pipeline.serving.settings import RequestLimits
from prn_pipeline.serving.sources import decoded

IMAGE, MAP = "image", "map"
#: Beginnings of files whose kind is not seen by Pillow, or seen wrong.
MAGIC = {b"\x93NUMPY": ".npy", b"II*\x00": ".tif", b"MM\x00*": ".tif", b"II+\x00": ".tif"}


def columns_of(predictor: Predictor) -> dict[str, bool]:
    """Name of each column of a request -> whether it must be there."""
    if predictor.base.runnable is not None:
        return {IMAGE: True}
    return {MAP: True, IMAGE: "images" in predictor.refiner.arrays}


def answer(
    predictor: Predictor, table: pd.DataFrame, probabilities: bool = False, at_own_scale: bool = False
) -> pd.DataFrame:
    """Masks of images.

    Args:
        predictor: what answers.
        table: a row an image, of columns `columns_of`; bytes of an encoded file (png, jpg, tif, npy, ...) each.
        probabilities: give maps of them, too.
        at_own_scale: see `Predictor.predict`.

    Returns:
        A row an image: mask (base64 of a PNG: 255 is foreground, or class ids), height, width, foreground (share of
        pixels that are; of classes, that are not class 0), and probabilities (base64 of a PNG of 16 bits; of classes
        of a .npy file).

    Raises:
        UserError: what is wrong with the request.
    """
    limits = predictor.settings.limits
    if not 0 < len(table) <= limits.images:
        raise UserError(f"{len(table)} images, expected 1 to {limits.images} in a request")
    rows = []
    for examined in predictor.examine(_items(predictor, table), at_own_scale):
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


def _items(predictor: Predictor, table: pd.DataFrame) -> Iterator[Item]:
    expected = columns_of(predictor)
    if missing := [name for name, needed in expected.items() if needed and name not in table]:
        raise UserError(f"columns {', '.join(map(str, table.columns))}, expected {', '.join(missing)}")
    for place, (_, row) in enumerate(table.iterrows()):
        try:
            image = _image(predictor, row[IMAGE]) if IMAGE in row and _given(row[IMAGE]) else None
            logits = None
            if predictor.base.runnable is None:
                logits = _maps(predictor, predictor.base.settings, row[MAP])
        except UserError as error:
            raise UserError(f"row {place}: {error}") from None
        yield Item(image, logits)


def _given(value: object) -> bool:
    return not (value is None or (isinstance(value, float) and np.isnan(value)))


def _image(predictor: Predictor, content: object) -> Pixels:
    with _as_file(content, predictor.settings.limits) as path:
        return decoded(path, predictor.settings.bands)


def _maps(predictor: Predictor, settings: MapFilesSettings, content: object) -> NDArray[np.float32]:
    with _as_file(content, predictor.settings.limits) as path:
        logits = decode_map(path, None, settings.values, predictor.classes)
    return as_maps(logits, predictor.classes, settings.values == "logits").numpy()


@contextmanager
def _as_file(content: object, limits: RequestLimits) -> Iterator[Path]:
    """What a request holds, as a file of its kind; messages speak of "the file"."""
    if not isinstance(content, bytes):
        raise UserError(f"a value of type {type(content).__name__}, expected the bytes of a file (base64 in JSON)")
    if not 0 < len(content) <= limits.megabytes * 2**20:
        raise UserError(f"a file of {len(content)} bytes, expected 1 to {limits.megabytes} MiB")
    suffix = next((kind for magic, kind in MAGIC.items() if content.startswith(magic)), ".png")
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(content)
        file.flush()
        try:
            _check_pixels(Path(file.name), limits.megapixels)
            yield Path(file.name)
        except UserError as error:
            raise UserError(str(error).replace(file.name, "the file")) from None


def _check_pixels(path: Path, most: int) -> None:
    """A small file may hold a huge picture: look at its header before anything is decoded."""
    if path.suffix == ".npy":
        return  # not compressed: as large as the file
    try:
        if path.suffix == ".tif":
            with tifffile.TiffFile(path) as tiff:
                height, width = tiff.pages[0].shape[:2]
        else:
            with Image.open(path) as picture:
                width, height = picture.size
    except Exception as error:  # two libraries' ways to say no
        raise UserError(f"{path}: not a readable picture ({error})") from error
    if height * width > most * 1e6:
        raise UserError(f"{path}: {width} x {height} pixels, expected at most {most} million; cut it into tiles")
