"""The runs of a benchmark: which there should be, and what is known of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import FAILURE, METRICS, REPORT, REPORTS
from prn_pipeline.layout.scopes import SCOPES, scope_path

State = Literal["done", "failed", "missing"]


@dataclass(frozen=True)
class BenchmarkRun:
    """One run of a benchmark.

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
        """Folders of the run: `drive/unet_resnet18/prn/seed-0`."""
        return scope_path("run", dict(self.names))


def read_runs(names: Iterable[Mapping[str, Any]], project: Path) -> list[BenchmarkRun]:
    """Runs with what the project has of them.

    Args:
        names: of each run: dataset, base_model, refiner, seed.
        project: with `metrics/` and `data/08_reporting/`.

    Raises:
        UserError: a scores file is not JSON.
    """
    reports, runs = project / REPORTS, []
    for one in names:
        path = scope_path("run", dict(one))
        report = reports / path / REPORT
        runs.append(
            BenchmarkRun(
                one,
                scores=_json(project / METRICS / f"{path}.json"),
                failure=_failure(reports, one),
                report=report if report.is_file() else None,
            )
        )
    return runs


def _failure(reporting: Path, names: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of the run, or of what it is built on."""
    found = (_json(reporting / scope_path(scope, dict(names)) / FAILURE) for scope in SCOPES)
    return next((failure for failure in found if failure is not None), None)


def _json(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        return dict(json.loads(file.read_text()))
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}): make it again, or take it back from git") from None
