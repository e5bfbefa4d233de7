"""The steps of a retraining."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from prn_pipeline.configuration.tracking_server import tracking_settings
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.processes.exit_codes import RUNS_FAILED, ExitError
from prn_pipeline.processes.locks import project_lock
from prn_pipeline.processes.signals import graceful_shutdown
from prn_pipeline.reporting.leaderboard import read_runs
from prn_pipeline.retraining.promotions import PromotionError, needs_promotion, promote
from prn_pipeline.retraining.remote import pull, push
from prn_pipeline.retraining.report import COMPARISON, Report, RunReport, reported
from prn_pipeline.sweep.leaderboard import track_if_possible, write_leaderboard
from prn_pipeline.sweep.lists import Lists, read_lists
from prn_pipeline.sweep.run import Outcome
from prn_pipeline.sweep.run_stale import run_stale


def retrain(
    project: Path,
    *,
    workers: int,
    pulls: bool,
    pushes: bool,
    before_runs: Callable[[Lists], None],
    on_outcome: Callable[[Outcome], None],
    echo: Callable[[str], None],
) -> Report:
    """Pull data, run the stages that are stale, promote runs whose scores are new, push.

    Args:
        project: root of the repository.
        workers: base models at a time.
        pulls: whether to pull from DVC's default remote, if one is set.
        pushes: whether to push to it, if one is set.
        before_runs: called with the project's lists before anything runs: links raw data, prints warnings.
        on_outcome: called with every job's outcome as soon as it is known.
        echo: prints a line.

    Returns:
        The report that data/08_reporting/retrain.json has too.

    Raises:
        ExitError: another retraining is running, a signal ended this one, or the remote failed.
        UserError: the lists are wrong, or DVC cannot read the project.
    """
    with project_lock(project), reported(project) as report, graceful_shutdown():
        if pulls:
            pull(project, echo)
        lists = read_lists(project)
        before_runs(lists)
        outcomes = run_stale(lists, project, workers, on_outcome)
        report.runs.extend(_promoted(lists, project, outcomes, echo))
        if any(run.outcome == "failed" for run in report.runs):
            report.end(RUNS_FAILED, report.line)
        if pushes:
            _push(project, report)
        if outcomes or any(run.outcome in ("promoted", "kept", "refused") for run in report.runs):
            leaderboard, page = write_leaderboard(lists, project)  # last: results are pushed by now
            track_if_possible(leaderboard, page, tracking_settings(project), echo)
    return report


def _promoted(
    lists: Lists, project: Path, outcomes: Sequence[Outcome], echo: Callable[[str], None]
) -> Iterator[RunReport]:
    """Report every run of the lists, after promotion of those with new scores."""
    for run in read_runs(lists.runs(), project):
        stages = _stages_done(run.names, outcomes)
        if run.failure is not None:
            yield RunReport(run.names, stages, "failed", f"{run.failure['stage']}: {run.failure['message']}")
        elif not needs_promotion(run.names, project):
            yield RunReport(run.names, stages, "unchanged")
        else:
            yield _promote(run.names, project, stages, echo)


def _promote(names: Mapping[str, Any], project: Path, stages: list[str], echo: Callable[[str], None]) -> RunReport:
    path = scope_path("run", dict(names))
    try:
        decision = promote(names, project)
    except PromotionError as error:
        echo(f"{path}: promotion failed: {error}")
        return RunReport(names, stages, "failed", f"promotion: {error}")
    outcome: Literal["promoted", "kept", "refused"] = "promoted" if decision["promoted"] else "kept"
    if decision.get("outcome") == "refused":
        outcome = "refused"
    why = decision.get("why")
    echo(f"{path}: {'the champion is kept' if outcome == 'kept' else outcome}{f': {why}' if why else ''}")
    compared = {key: decision[key] for key in COMPARISON if key in decision} if "gain" in decision else None
    return RunReport(names, stages, outcome, why=why, comparison=compared)


def _stages_done(names: Mapping[str, Any], outcomes: Sequence[Outcome]) -> list[str]:
    """Stages that this retraining ran for a run, including those it shares with other runs."""
    return [
        one.stage
        for outcome in outcomes
        for one in outcome.job.stages
        if one.address in outcome.done and one.names.items() <= names.items()
    ]


def _push(project: Path, report: Report) -> None:
    try:
        push(project)
    except ExitError as error:
        raise ExitError(f"{report.line}; {error}", error.exit_code) from None
