"""The report of a retraining: one line for people, and data/08_reporting/retrain.json for monitoring."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.layout.places import RETRAIN_REPORT
from prn_pipeline.processes.exit_codes import DONE, USER_ERROR, ExitError
from prn_pipeline.processes.secrets import redact

Outcome = Literal["unchanged", "promoted", "kept", "refused", "failed"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


#: Keys of a promotion decision that the report repeats.
COMPARISON = ("images", "units", "unit", "look", "alpha", "margin", "gain", "lower_bound")


@dataclass(frozen=True)
class RunReport:
    """The outcome of one run.

    Attributes:
        run: its names: dataset, base_model, refiner, seed.
        stages: those that this retraining ran, in order.
        outcome: "unchanged" if its scores are not new; "kept" if the champion stays because the run did not beat it;
            "refused" if there is no champion, and the run's predictor is not good enough to be the first.
        failure: the error of a failed run, otherwise None.
        why: the reason of the promotion decision; None if there was none.
        comparison: with the champion, those of its numbers that the decision rests on (`COMPARISON`); None without one.
    """

    run: Mapping[str, Any]
    stages: list[str]
    outcome: Outcome
    failure: str | None = None
    why: str | None = None
    comparison: Mapping[str, Any] | None = None


@dataclass
class Report:
    """The retraining so far.

    Attributes:
        started: UTC, ISO 8601.
        pid: of the process.
        runs: every run of the lists, once its outcome is known.
        exit_code: None while the retraining is running.
        message: the last line that `prn retrain` prints.
        finished: as `started`; None while the retraining is running.
    """

    started: str = field(default_factory=_now)
    pid: int = field(default_factory=os.getpid)
    runs: list[RunReport] = field(default_factory=list)
    exit_code: int | None = None
    message: str = "running"
    finished: str | None = None

    @property
    def line(self) -> str:
        """Numbers of runs: all, retrained, promoted, kept and failed, and refused if any was."""
        retrained = sum(bool(run.stages) for run in self.runs)
        counts = {"retrained": retrained} | {
            outcome: sum(run.outcome == outcome for run in self.runs) for outcome in ("promoted", "kept", "failed")
        }
        if refused := sum(run.outcome == "refused" for run in self.runs):
            counts["refused"] = refused
        return f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}: " + ", ".join(
            f"{count} {outcome}" for outcome, count in counts.items()
        )

    def end(self, exit_code: int, message: str) -> None:
        """Set exit code, message and time of the end."""
        self.exit_code, self.message, self.finished = exit_code, message, _now()


@contextmanager
def reported(project: Path) -> Iterator[Report]:
    """A report that is written when the block starts, and completed and written again however the block ends."""
    report = Report()
    _write(report, project)
    try:
        yield report
        if report.exit_code is None:
            report.end(DONE, report.line)
    except ExitError as error:
        report.end(error.exit_code, str(error))
        raise
    except Exception as error:
        report.end(USER_ERROR, str(error))
        raise
    finally:
        _write(report, project)


def _write(report: Report, project: Path) -> None:
    with atomic_write(project / RETRAIN_REPORT) as temporary:
        temporary.write_text(json.dumps(_redacted(asdict(report)), indent=2) + "\n")


def _redacted(value: Any) -> Any:
    """The report with every text redacted: errors of DVC and MLflow may name a server with its password."""
    if isinstance(value, Mapping):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return redact(value) if isinstance(value, str) else value
