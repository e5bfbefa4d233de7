"""The scores JSON of a run: its schema, and the reader that checks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from prn_pipeline.errors import UserError

#: Number under "schema". Readers reject files of another schema.
SCHEMA = 2
#: Key of the refiner's gain over the best method that needs no training, under "gain".
BEST_FREE = "vs_best_free"


def read_scores(file: Path) -> dict[str, Any]:
    """The scores of a file.

    Raises:
        UserError: the file is not a JSON object, or has another schema.
    """
    try:
        scores = json.loads(file.read_text())
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}): run evaluation again, or restore it with git") from None
    found = scores.get("schema") if isinstance(scores, dict) else None
    if found != SCHEMA:
        raise UserError(
            f"{file} has {'no schema' if found is None else f'schema {found}'}, expected schema {SCHEMA}:"
            " run evaluation again, or check out the git version that wrote it"
        )
    return dict(scores)
