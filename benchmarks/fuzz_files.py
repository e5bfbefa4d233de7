"""Damaged pictures, arrays and maps, and strange requests, as further kinds of `benchmarks.fuzz`."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from PIL import Image

from benchmarks.fuzz import TEXTS, VALUES, Case
from benchmarks.hostile_files import PICTURES
from prn_pipeline.data.readers.array_files import read_array
from prn_pipeline.data.readers.decoding import read_image
from prn_pipeline.data.readers.map_decoding import decode_map
from prn_pipeline.data.readers.map_reading import MapReading
from prn_pipeline.data.readers.mask_decoding import read_mask
from prn_pipeline.refinement.region_detail.ensemble import FoldEnsemble
from prn_pipeline.refinement.region_detail.settings import RegionDetailSettings
from prn_pipeline.segmentation.registry import build_base_model
from prn_pipeline.segmentation.settings import BaseModelSettings, MapFilesSettings
from prn_pipeline.segmentation.smp_model import BaseModel
from prn_pipeline.serving.predictor import Predictor
from prn_pipeline.serving.requests import answer
from prn_pipeline.serving.settings import PredictorSettings

READERS: dict[str, Callable[[Path], Any]] = {
    "image": read_image,
    "mask": read_mask,
    "array": read_array,
    "map": lambda path: decode_map(path, None, MapReading()),
    "maps of three classes": lambda path: decode_map(path, None, MapReading(), 3),
}
#: Numbers at the ends of their ranges, as they stand in headers.
NUMBERS = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\xff" * 8)
SMALL = {"network": "region_detail", "members": 2, "detail_width": 4, "detail_levels": 1, "region_width": 4}


@cache
def whole_files() -> dict[str, bytes]:
    """Small files of every kind that is read, by name."""
    draw = np.random.default_rng(0)
    colours, grey = draw.integers(0, 256, (12, 9, 3), np.uint8), draw.integers(0, 256, (12, 9), np.uint8)
    wide, share = draw.integers(0, 65536, (12, 9), np.uint16), draw.random((12, 9), np.float32)
    found: dict[str, bytes] = {}
    for suffix in ("png", "jpg", "bmp", "gif", "webp", "tif", "ppm", "jp2"):
        for name, pixels in (("colours", colours), ("grey", grey)):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix))
            found[f"{name}.{suffix}"] = file.getvalue()
    for name, array in {"wide": wide, "share": share, "three": draw.random((3, 12, 9), np.float32)}.items():
        file = io.BytesIO()
        np.save(file, array)
        found[f"{name}.npy"] = file.getvalue()
        for options in ({}, {"compression": "zlib"}, {"tile": (16, 16)}, {"bigtiff": True}, {"byteorder": ">"}):
            file = io.BytesIO()
            tifffile.imwrite(file, array, **options)
            found[f"{name}_{'_'.join(options)}.tif"] = file.getvalue()
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, share)
        found[f"{save.__name__}.npz"] = file.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "x")
    return found | {"text.npz": file.getvalue(), "text.png": b"<html>not found</html>"}


def damaged(draw: random.Random, content: bytes) -> tuple[str, bytes]:
    """What was done to a content, and the result."""
    if draw.random() < 0.1:
        return "as it is", content
    if draw.random() < 0.4:
        changed, only_header = bytearray(content), draw.random() < 0.5
        for _ in range(draw.choice([1, 1, 3, 20])):
            place = draw.randrange(min(len(content), 160) if only_header else len(content))
            changed[place] = draw.choice([changed[place] ^ 1 << draw.randrange(8), draw.randrange(256)])
        return "other bytes in the header" if only_header else "other bytes", bytes(changed)
    place, number = draw.randrange(len(content) + 1), draw.choice(NUMBERS)
    before, after = content[:place], content[place:]
    changes = {
        f"cut at {place}": before,
        f"text at {place}": before + draw.choice(TEXTS) + after[draw.choice([0, 4]) :],
        f"a number at {place}": before + number + after[len(number) :],
        f"twice from {place}": before + content,
    }
    how = draw.choice(list(changes))
    return how, changes[how]


def file_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """Images, masks, arrays and maps, damaged, or under the name of another kind."""
    files = whole_files()
    while True:
        name, other = draw.choice(list(files)), draw.choice(list(files))
        how, content = damaged(draw, files[name])
        file = folder / f"damaged{Path(name if draw.random() < 0.8 else other).suffix}"
        file.write_bytes(content)
        reader = draw.choice(list(READERS))
        yield Case("file", f"{name} as {file.name}, {how}, read as {reader}", partial(READERS[reader], file))


def request_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """Requests to a served predictor: other columns, other values, damaged files."""
    del folder
    ready, files = predictors(), whole_files() | {name: of for name, of in PICTURES.items() if len(of) < 10_000}
    while True:
        served = draw.choice(list(ready))
        columns = draw.sample(["image", "map", "map_2", "x", ""], draw.choice([0, 1, 1, 2, 3]))
        rows = [{name: _value(draw, files) for name in columns} for _ in range(draw.choice([0, 1, 1, 2, 40]))]
        table = pd.DataFrame(rows, columns=columns, dtype=object)
        if draw.random() < 0.1:
            table.columns = pd.Index([draw.choice([1, None, "image"]) for _ in columns])
        probabilities, at_own_scale = draw.random() < 0.2, draw.random() < 0.2
        shown = f"{len(rows)} rows of {columns}, the first {repr(rows[:1])[:200]}"
        yield Case("request", f"{served}: {shown}", partial(answer, ready[served], table, probabilities, at_own_scale))


def _value(draw: random.Random, files: dict[str, bytes]) -> Any:
    if draw.random() < 0.2:
        return draw.choice(VALUES)
    return damaged(draw, files[draw.choice(list(files))])[1]


@cache
def predictors() -> dict[str, Predictor]:
    """Small networks: for images, and for maps of another program."""
    refiners = [
        FoldEnsemble(RegionDetailSettings.model_validate({**SMALL, "inputs": inputs})).eval()
        for inputs in (("tta", "images"), ())
    ]
    base = BaseModel(
        BaseModelSettings(architecture="Unet", encoder="tu-mobilenetv3_small_050", encoder_weights=None)
    ).eval()
    maps: Any = build_base_model(MapFilesSettings(kind="maps"))
    settings = PredictorSettings(image_size=64)
    return {"images": Predictor(base, refiners[0], settings), "maps": Predictor(maps, refiners[1], settings)}


FILE_KINDS = (file_cases, request_cases)
