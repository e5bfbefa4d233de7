"""The scores JSON of a run: its schema, and the reader that checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import rerun

#: Number under "schema". Readers reject files of another schema.
SCHEMA = 2
#: Key of the refiner's gain over the best method that needs no training, under "gain".
BEST_FREE = "vs_best_free"


def read_scores(file: Path) -> dict[str, Any]:
    """The scores of a file.

    Raises:
        UserError: the file is not a JSON object or is damaged, has another schema, or values that cannot be scores.
    """
    scores = read_json(file)
    if (found := scores.get("schema")) != SCHEMA:
        raise UserError(
            f"{file} has {'no schema' if found is None else f'schema {found}'}, expected schema {SCHEMA}:"
            " run evaluation again, or check out the git version that wrote it"
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


class _Block(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Method(_Block):
    iou_micro: Annotated[float, AfterValidator(_share)] | None = None
    iou_micro_ci95: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None


class _Gain(_Block):
    iou_micro: float | None = None
    ci95: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    method: str | None = None


class _Scores(_Block):
    """What every reader relies on, where it is present; the writer may add any other key."""

    dataset: str | None = None
    base_model: str | None = None
    refiner: str | None = None
    seed: int | None = None
    n_test: int | None = Field(None, ge=1)
    methods: dict[str, _Method] | None = None
    gain: dict[str, _Gain | float | None] | None = None
