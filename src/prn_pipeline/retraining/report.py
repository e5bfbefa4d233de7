"""What a retraining did: one line for people, and data/08_reporting/retrain.json for monitors."""

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

Outcome = Literal["unchanged", "promoted", "kept", "failed"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class RunReport:
    """What became of one run.

    Attributes:
        run: its names.
        stages: that were run, in the order of a run.
        outcome: "unchanged" where its scores had been judged before; "kept" is the champion, which it did not beat.
        failure: what went wrong, where something did.
    """

    run: Mapping[str, Any]
    stages: list[str]
    outcome: Outcome
    failure: str | None = None


@dataclass
class Report:
    """The retraining so far.

    Attributes:
        started: UTC, ISO 8601.
        pid: of the process.
        runs: those of the benchmark, once they have been run.
        exit_code: None while it is running.
        message: what `prn retrain` says last.
        finished: as `started`; None while it is running.
    """

    started: str = field(default_factory=_now)
    pid: int = field(default_factory=os.getpid)
    runs: list[RunReport] = field(default_factory=list)
    exit_code: int | None = None
    message: str = "running"
    finished: str | None = None

    @property
    def line(self) -> str:
        """Counts: of runs, of those that were run, and of each outcome but "unchanged"."""
        run = sum(bool(run.stages) for run in self.runs)
        counts = {"retrained": run} | {
            outcome: sum(run.outcome == outcome for run in self.runs) for outcome in ("promoted", "kept", "failed")
        }
        return f"{len(self.runs)} run{'' if len(self.runs) == 1 else 's'}: " + ", ".join(
            f"{count} {what}" for what, count in counts.items()
        )

    def end(self, exit_code: int, message: str) -> None:
        """It is over."""
        self.exit_code, self.message, self.finished = exit_code, message, _now()


@contextmanager
def reported(project: Path) -> Iterator[Report]:
    """Give a report; it is in its file from the start, and complete when the block ends, however it ends."""
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
        temporary.write_text(json.dumps(asdict(report), indent=2) + "\n")
