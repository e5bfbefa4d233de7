"""The cells of a benchmark: which there should be, and what is known of each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prn_pipeline.errors import UserError
from prn_pipeline.scopes import FAILURE, SCOPES, scope_path

State = Literal["done", "failed", "missing"]

#: Keys of the lists, in the order of a cell's names.
LISTS = {"datasets": "dataset", "base_models": "base_model", "refiners": "refiner", "seeds": "seed"}


@dataclass(frozen=True)
class Cell:
    """One cell of a benchmark.

    Attributes:
        names: dataset, base_model, refiner, seed.
        scores: its scores JSON, or None.
        failure: what went wrong when it was last run ({"stage", "message", "at"}), or None.
        report: its report, or None.
    """

    names: Mapping[str, Any]
    scores: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None
    report: Path | None = None

    @property
    def state(self) -> State:
        """Done where there are scores and nothing has failed since."""
        return "failed" if self.failure is not None else "missing" if self.scores is None else "done"

    @property
    def path(self) -> str:
        """Folders of the cell: `drive/unet_resnet18/prn/seed-0`."""
        return scope_path("cell", dict(self.names))


def read_cells(lists: Mapping[str, Sequence[Any]], project: Path) -> list[Cell]:
    """Every cell of a benchmark with what the project has of it.

    Args:
        lists: datasets, base_models, refiners, seeds.
        project: with `metrics/` and `data/08_reporting/`.

    Raises:
        UserError: a list is missing, or a scores file is not JSON.
    """
    wrong = sorted(set(LISTS) - set(lists))
    if wrong:
        raise UserError(f"the benchmark has no {', '.join(wrong)}: it lists {', '.join(LISTS)}")
    cells = []
    for values in itertools.product(*(lists[key] for key in LISTS)):
        names = dict(zip(LISTS.values(), values, strict=True))
        folder = project / "data" / "08_reporting" / scope_path("cell", names)
        report = folder / "report.html"
        cells.append(
            Cell(
                names,
                scores=_json(project / "metrics" / f"{scope_path('cell', names)}.json"),
                failure=_failure(project / "data" / "08_reporting", names),
                report=report if report.is_file() else None,
            )
        )
    return cells


def _failure(reporting: Path, names: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of the cell, or of what it is built on."""
    found = (_json(reporting / scope_path(scope, dict(names)) / FAILURE) for scope in SCOPES)
    return next((failure for failure in found if failure is not None), None)


def _json(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        return dict(json.loads(file.read_text()))
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}): make it again, or take it back from git") from None
