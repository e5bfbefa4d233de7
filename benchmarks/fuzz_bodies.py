"""Bodies of requests to `prn serve`, as a further kind of `benchmarks.fuzz`."""

from __future__ import annotations

import base64
import copy
import json
import random
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.fuzz import VALUES, Case
from benchmarks.fuzz_files import damaged, predictors, whole_files
from prn_pipeline.serving.server.application import answered

TYPES = ("application/json", "application/json; charset=utf-8", "image/png", "application/octet-stream", "text/csv", "")
QUERIES: tuple[dict[str, str], ...] = ({}, {}, {"probabilities": "true"}, {"at_own_scale": "x"}, {"a": "b"})


def body_cases(draw: random.Random, folder: Path) -> Iterator[Case]:
    """Bodies whose structure, values or bytes are not those of a request."""
    del folder
    files, served = whole_files(), predictors()
    while True:
        name = draw.choice(list(served))
        content = _request(draw, draw.choice(["image", "map", "x"]), _files(draw, files))
        for _ in range(draw.choice([0, 1, 1, 3])):
            _put(draw, content, draw.choice(VALUES))
        how, body = damaged(draw, json.dumps(content).encode())
        if draw.random() < 0.2:
            how, body = damaged(draw, files[draw.choice(list(files))])
        arguments = (draw.choice(TYPES), draw.choice(QUERIES), draw.random() < 0.2, threading.Event())
        shown = f"{name}: {how}, {arguments[:2]}, {body[:200]!r}"
        yield Case("body", shown, partial(answered, served[name], body, *arguments))


def _files(draw: random.Random, files: dict[str, bytes]) -> list[str]:
    chosen = [files[draw.choice(list(files))] for _ in range(draw.choice([0, 1, 1, 2]))]
    return [base64.b64encode(file).decode() for file in chosen]


def _request(draw: random.Random, column: str, texts: list[str]) -> dict[str, Any]:
    forms: list[dict[str, Any]] = [
        {"dataframe_split": {"columns": [column], "data": [[one] for one in texts]}},
        {"dataframe_records": [{column: one} for one in texts]},
        {"instances": [{column: {"b64": one}} for one in texts]},
        {"instances": texts},
        {"inputs": {column: texts}},
    ]
    return copy.deepcopy(draw.choice(forms)) | {"params": {"probabilities": False}}


def _put(draw: random.Random, content: Any, value: Any) -> None:
    """Replace a part of nested lists and dictionaries, at any depth."""
    while content:
        key = draw.choice(list(content) if isinstance(content, dict) else range(len(content)))
        if not isinstance(content[key], dict | list) or draw.random() < 0.3:
            content[key] = copy.deepcopy(value)
            return
        content = content[key]
