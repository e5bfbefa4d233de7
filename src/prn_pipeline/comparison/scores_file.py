"""The scores JSON of a run: its schema, and the reader that checks it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import rerun

#: Number under "schema". Readers reject files of another schema.
SCHEMA = 2
#: Key of the refiner's gain over the best method that needs no training, under "gain".
BEST_FREE = "vs_best_free"
#: Key of the warnings about the base model's maps; also an attribute of the stored maps.
MAP_WARNINGS = "map_warnings"
#: Whether one of them may mean that the maps are misread.
DOUBTED_MAPS = "doubted_maps"


def read_scores(file: Path) -> dict[str, Any]:
    """The scores of a file.

    Raises:
        UserError: the file is not a JSON object or is damaged, has another schema, or values that cannot be scores.
    """
    scores = read_json(file)
    if (found := scores.get("schema")) != SCHEMA:
        raise UserError(
            f"{file} has {'no schema' if found is None else f'schema {found}'}, expected schema {SCHEMA}:"
            f" {rerun(file)}, or check out the git version that wrote it"
        )
    try:
        _Scores.model_validate(scores)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{file} has {where} = {first['input']!r}: {first['msg']}. Restore it with git, or {rerun(file)}"
        ) from None
    return scores


def _share(value: float) -> float:
    if value < 0 or value > 1:  # NaN, of a method that predicts nothing, is neither
        raise ValueError("expected 0 to 1")
    return value


def _in_order(ends: list[float]) -> list[float]:
    if ends[0] > ends[1]:  # of NaN, an interval that is unknown, neither is larger
        raise ValueError("expected the lower end first")
    return ends


def _with_its_method(gains: dict[str, Any]) -> dict[str, Any]:
    if BEST_FREE in gains and not getattr(gains[BEST_FREE], "method", None):
        raise ValueError(f"{BEST_FREE} does not say which method it is about")
    return gains


_Interval = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_in_order)]
_UNKNOWN = [math.nan, math.nan]


class _Block(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Gain(_Block):
    """Numbers may be absent, but are never null: readers calculate with those that are there."""

    iou_micro: float = math.nan
    ci95: _Interval = _UNKNOWN
    wrong_pixels: float = math.nan
    method: str | None = None


class _Method(_Block):
    iou_micro: Annotated[float, AfterValidator(_share)] = math.nan
    iou_micro_ci95: _Interval = _UNKNOWN
    images_worse_pct: float | None = None
    vs_base: _Gain | None = None


class _BaseTraining(_Block):
    epochs: int
    ended_by: Literal["patience", "epochs"] | None = None
    late_epochs: int
    late_gain: float | None
    converged: bool


class _Network(_Block):
    parameters: float
    gflop: float
    milliseconds: float
    under_load: bool = False


class _Refiner(_Network):
    base_passes: int


class _Cost(_Block):
    base: _Network | None
    refiner: _Refiner


class _Scores(_Block):
    """What every reader relies on, where it is present; the writer may add any other key."""

    dataset: str | None = None
    base_model: str | None = None
    refiner: str | None = None
    seed: int | None = None
    n_test: int | None = Field(None, ge=1)
    video: bool = False
    base_predicts: str = ""
    map_warnings: list[str] = Field([])
    doubted_maps: bool = False
    boundary_band_share: float | None = None
    methods: dict[str, _Method] | None = None
    gain: Annotated[dict[str, _Gain | float | None], AfterValidator(_with_its_method)] | None = None
    base_training: _BaseTraining | None = None
    guard: dict[str, float] | None = None
    cost: _Cost = Field(default=None)  # type: ignore[assignment]  # absent in old files, but never null
    settings: dict[str, str] = {}
    seconds: dict[str, float | None] = {}
    memory_mib: dict[str, float | None] = {}
