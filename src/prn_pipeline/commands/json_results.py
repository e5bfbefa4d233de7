"""What `prn refine --json` and `prn benchmark --json` print: one JSON object, which programs read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prn_pipeline.metrics.map_quality.expected_iou import ExpectedIou
    from prn_pipeline.reporting.leaderboard import BenchmarkRun
    from prn_pipeline.serving.drift_report import DriftReport
    from prn_pipeline.serving.folder_run import FolderRun
    from prn_pipeline.serving.review import Review
    from prn_pipeline.sweep.lists import Lists
    from prn_pipeline.sweep.run import Outcome


def refined_as_json(
    run: FolderRun,
    failed: Sequence[tuple[str, str]],
    estimate: ExpectedIou | None,
    found: Review | None,
    drift: DriftReport,
    out: Path,
) -> str:
    """What a call did, for programs.

    Returns:
        `images`, `refined` and `done_before`, counts; `failed`, each with `name` and `error`; the paths `masks`,
        `table`, `review` and `drift_report`; `expected_iou`: `lowest`, how many are `below`, and the `limit` for these,
        null where the predictor gives none; `drift`: `drifted`, the names of statistics, and the `reason` why nothing
        is known, "" if it is.
    """
    from prn_pipeline.serving.drift_report import FILE as DRIFT
    from prn_pipeline.serving.folder_run import TABLE
    from prn_pipeline.serving.review import EXPECTED, LOW
    from prn_pipeline.serving.review import FILE as REVIEW

    expected = None
    if estimate is not None and found is not None:
        lowest = float(found.table[EXPECTED].iloc[0])
        expected = {"lowest": lowest, "below": found.low, "limit": LOW, "error": float(estimate.error)}
    done = {
        "images": len(run.files),
        "refined": len(run.pending) - len(failed),
        "done_before": len(run.files) - len(run.pending),
        "failed": [{"name": name, "error": error} for name, error in failed],
        "masks": str(out / "masks"),
        "table": str(out / TABLE),
        "review": str(out / REVIEW) if expected else None,
        "drift_report": str(out / DRIFT),
        "expected_iou": expected,
        "drift": {"drifted": list(drift.drifted), "reason": drift.reason},
    }
    return json.dumps(done, indent=2, allow_nan=False)


def benchmark_as_json(lists: Lists, outcomes: Iterable[Outcome], project: Path, page: Path) -> str:
    """How a benchmark ended, for programs.

    Args:
        lists: of the benchmark.
        outcomes: of the jobs of this call.
        project: root of the repository.
        page: the leaderboard.

    Returns:
        `runs`, each with its names, `state` (done, failed or missing), the paths `scores` and `report` (or null), and
        `failure` (null, or `stage` and `message`); `done` and `failed`, the addresses of the stages that this call ran;
        `leaderboard`, the path of the page.
    """
    from prn_pipeline.layout.places import METRICS
    from prn_pipeline.reporting.leaderboard import read_runs

    def described(run: BenchmarkRun) -> dict[str, Any]:
        failure = {key: run.failure[key] for key in ("stage", "message")} if run.failure else None
        scores = str(project / METRICS / f"{run.path}.json") if run.scores else None
        report = str(run.report) if run.report else None
        return {**run.names, "state": run.state, "scores": scores, "report": report, "failure": failure}

    outcomes = list(outcomes)
    found = {
        "runs": [described(run) for run in read_runs(lists.runs(), project)],
        "done": [address for one in outcomes for address in one.done],
        "failed": [address for one in outcomes for address in one.failed],
        "leaderboard": str(page),
    }
    return json.dumps(found, indent=2)
