"""The runs of a benchmark: their names, and the scores, failures and reports that the project has of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import FAILURE, METRICS, REPORT, REPORTS
from prn_pipeline.layout.scopes import SCOPES, scope_path

State = Literal["done", "failed", "missing"]


@dataclass(frozen=True)
class BenchmarkRun:
    """One run of a benchmark.

    Attributes:
        names: dataset, base_model, refiner, seed.
        scores: its scores JSON; None without scores, or where they are older than a failure.
        failure: the error of its last attempt ({"stage", "message", "at"}), or None.
        report: path of its report, or None.
    """

    names: Mapping[str, Any]
    scores: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None
    report: Path | None = None

    @property
    def state(self) -> State:
        """Done with scores and without a later failure."""
        return "failed" if self.failure is not None else "missing" if self.scores is None else "done"

    @property
    def path(self) -> str:
        """Folders of the run: `drive/unet_resnet18/prn/seed-0`."""
        return scope_path("run", dict(self.names))


def read_runs(names: Iterable[Mapping[str, Any]], project: Path) -> list[BenchmarkRun]:
    """Runs with everything the project has of them.

    Args:
        names: dataset, base_model, refiner, seed of each run.
        project: folder with `metrics/` and `data/08_reporting/`.

    Raises:
        UserError: a scores file is not JSON, or has another schema.
    """
    return [_read_run(one, project) for one in names]


def _read_run(names: Mapping[str, Any], project: Path) -> BenchmarkRun:
    path = scope_path("run", dict(names))
    scores, report = project / METRICS / f"{path}.json", project / REPORTS / path / REPORT
    failure = _failure(project / REPORTS, names)
    return BenchmarkRun(
        names,
        # Not those of a failed run: after an upgrade they may have another schema, which nothing here depends on.
        scores=read_scores(scores) if failure is None and scores.is_file() else None,
        failure=failure,
        report=report if report.is_file() else None,
    )


def _failure(reports: Path, names: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The failure of the run, or of a stage that it shares with others."""
    files = (reports / scope_path(scope, dict(names)) / FAILURE for scope in SCOPES)
    return next((_json(file) for file in files if file.is_file()), None)


def _json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}): delete it, it is written again when the stage fails") from None
