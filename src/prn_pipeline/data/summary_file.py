"""The summary of a data set as a file: its schema, and the reader that checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import rerun

#: Number under "schema". Another number means another layout.
SCHEMA = 1


def read_summary(file: Path) -> dict[str, Any]:
    """The summary of a file.

    Raises:
        UserError: the file is not a JSON object or is damaged, has another schema, or lacks what the report shows.
    """
    summary = read_json(file)
    if (found := summary.get("schema")) != SCHEMA:
        described = "no schema" if found is None else f"schema {found}"
        raise UserError(f"{file} has {described}, expected schema {SCHEMA}: {rerun(file)}")
    try:
        _Summary.model_validate(summary)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{file} has a wrong or no {where} ({first['msg']}): {rerun(file)}") from None
    return summary


_Size = Annotated[list[int], Field(min_length=2, max_length=2)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _LeftOut(_Block):
    kind: str
    reason: str
    count: int
    examples: list[str]


class _Annotations(_Block):
    format: str
    outlines: dict[str, int]


class _Files(_Block):
    found: dict[str, int]
    used: dict[str, int]
    left_out: list[_LeftOut]
    annotations: _Annotations | None = None  # absent where there are mask pictures


class _Images(_Block):
    sizes: list[Annotated[list[int], Field(min_length=3, max_length=3)]]
    distinct_sizes: int
    smallest: _Size
    largest: _Size
    kinds: dict[str, int]
    low: float
    high: float
    turned: int


class _MaskValue(_Block):
    value: float
    files: int


class _Masks(_Block):
    values: list[_MaskValue]
    distinct_values: int
    low: float
    high: float
    turned: int


class _Foreground(_Block):
    mean: float | None
    low: float | None
    high: float | None


class _Split(_Block):
    images: int
    groups: int
    foreground: _Foreground
    without_foreground: int


class _Groups(_Block):
    given: bool
    count: int
    smallest: int
    largest: int
    name_of_largest: str


class _Duplicates(_Block):
    identical_images: int
    near_across_splits: int
    near_within_splits: int = 0  # absent from summaries of earlier versions
    examples: list[Annotated[list[str | float], Field(min_length=5, max_length=5)]]


class _Summary(_Block):
    """What the report shows; the writer may add any other key."""

    dataset: str
    samples: int
    files: _Files
    images: _Images
    masks: _Masks
    splits: dict[str, _Split]
    groups: _Groups
    duplicates: _Duplicates
    video: bool
