"""Annotation files with any value, or any bytes, in the place of others are read or refused."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prn_pipeline.data.discovery.proposal import propose_block
from prn_pipeline.data.readers.factory import make_reader
from prn_pipeline.data.settings import DatasetSettings
from prn_pipeline.errors import UserError
from tests.unit.data.annotation_writers import OF_OUTLINES, OF_PIXELS

WRITERS = OF_PIXELS | OF_OUTLINES
#: Files that are changed in each format.
COUNT = 60
VALUES: list[Any] = [None, True, 0, -1, 1e308, float("nan"), float("inf"), 10**30, "", "../../x", "9" * 5000]
VALUES += [[], {}, [[]], [1, "a", None], {"a": 1}, 2.5, "1,2", [[1, 2, 3, 4, 5, 6]]]
TOKENS = [b"-1", b"1e308", b"nan", b"9" * 5000, b"3.5", b"<", b"&", b"\0", b"\xff", b'"', b","]


def changed(found: Any, draw: random.Random) -> Any:
    """The same JSON with another value, or without a key, at some depth."""
    if isinstance(found, dict) and found and draw.random() < 0.85:
        key = draw.choice(list(found))
        rest = {name: value for name, value in found.items() if name != key}
        return rest if draw.random() < 0.1 else rest | {key: changed(found[key], draw)}
    if isinstance(found, list) and found and draw.random() < 0.85:
        place = draw.randrange(len(found))
        return [*found[:place], changed(found[place], draw), *found[place + 1 :]]
    return draw.choice(VALUES)


def damaged(path: Path, draw: random.Random) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(changed(json.loads(content), draw)).encode()
    place = draw.randrange(len(content) + 1)
    return content[:place] + draw.choice(TOKENS) + content[place + draw.choice([0, 1, 3]) :]


@pytest.mark.parametrize("name", WRITERS)
def test_no_damage_ends_in_a_traceback(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    mask = np.zeros((20, 30), bool)
    mask[3:9, 4:20] = True
    images = {image: np.zeros((20, 30, 3), np.uint8) for image in "ab"}
    WRITERS[name](folder, images, {"a": [("cell", mask)], "b": [("dust", mask)]})
    settings = DatasetSettings(**propose_block("cells", tmp_path, "cells").block)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png")
    draw, outcomes = random.Random(name), Counter[str]()  # noqa: S311
    for _ in range(COUNT):
        path = draw.choice(files)
        whole = path.read_bytes()
        path.write_bytes(damaged(path, draw))
        try:
            reader = make_reader("cells", settings, tmp_path)
            outcomes["read"] += all(reader.mask(record).shape == (20, 30) for record in reader.records())
        except UserError:
            outcomes["refused"] += 1
        path.write_bytes(whole)
    assert outcomes.total() == COUNT
    assert outcomes["refused"] > 0
