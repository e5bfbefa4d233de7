"""The runs of a benchmark: their names, and the scores, failures and reports that the project has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prn_pipeline.comparison.scores_file import read_scores
from prn_pipeline.data.store.json_files import read_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.origins import rerun
from prn_pipeline.layout.places import FAILURE, METRICS, REPORT, REPORTS
from prn_pipeline.layout.scopes import SCOPES, scope_path
from prn_pipeline.processes.secrets import redact
from prn_pipeline.reporting.labels import BASE, REFINER

#: Scores that the leaderboard needs of every method.
PER_METHOD = ("iou_micro", "iou_micro_ci95")
#: What it needs of every gain.
PER_GAIN = ("iou_micro", "ci95")
#: Keys that one message lists.
MAX_LISTED = 10

State = Literal["done", "failed", "missing"]


@dataclass(frozen=True)
class BenchmarkRun:
    """One run of a benchmark.

    Attributes:
        names: dataset, base_model, refiner, seed.
        scores: its scores JSON; None without scores, or where they are older than a failure.
        failure: the error of its last attempt ({"stage", "message", "at"}), or what is wrong with its scores; or None.
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

    A damaged file does not stop the others: its run counts as failed, with the reason.
    """
    return [_read_run(one, project) for one in names]


def _read_run(names: Mapping[str, Any], project: Path) -> BenchmarkRun:
    path = scope_path("run", dict(names))
    file, report = project / METRICS / f"{path}.json", project / REPORTS / path / REPORT
    failure, scores = _failure(project / REPORTS, names), None
    # Not those of a failed run: after an upgrade they may have another schema, which nothing here depends on.
    if failure is None and file.is_file():
        try:
            scores = _ranked(file, names)
        except UserError as error:
            failure = {"stage": "evaluation", "message": redact(str(error))}
    return BenchmarkRun(names, scores, failure, report if report.is_file() else None)


def _ranked(file: Path, names: Mapping[str, Any]) -> dict[str, Any]:
    """Scores with everything that the leaderboard shows.

    Raises:
        UserError: see `read_scores`; or they lack something, or are those of another run.
    """
    scores = read_scores(file)
    methods = scores.get("methods") or {}
    lacking = [key for key in ("n_test", "methods", "gain") if not scores.get(key)]
    lacking += [f"methods.{name}.{key}" for name, of in methods.items() for key in PER_METHOD if of.get(key) is None]
    gains = {name: of for name, of in (scores.get("gain") or {}).items() if name.startswith("vs_")}
    lacking += [f"gain.{name}" for name, of in gains.items() if not isinstance(of, dict)]
    lacking += [
        f"gain.{name}.{key}" for name, of in gains.items() if isinstance(of, dict) for key in PER_GAIN if key not in of
    ]
    lacking += [f"methods.{name}" for name in (BASE, REFINER) if name not in methods]
    if lacking:
        raise UserError(f"{file} has no {', '.join(lacking[:MAX_LISTED])}: {rerun(file)}")
    others = {name: scores[name] for name, value in names.items() if name in scores and scores[name] != value}
    if others:
        raise UserError(f"{file} has the scores of another run, {others}: {rerun(file)}")
    return scores


def _failure(reports: Path, names: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The failure of the run, or of a stage that it shares with others."""
    files = (reports / scope_path(scope, dict(names)) / FAILURE for scope in SCOPES)
    return next((_recorded(file) for file in files if file.is_file()), None)


def _recorded(file: Path) -> dict[str, Any]:
    unknown = {"stage": "a stage", "message": f"unknown, because {file} is damaged: delete it and run the stage again"}
    try:
        return unknown | {key: redact(str(value)) for key, value in read_json(file).items()}
    except UserError:
        return unknown
