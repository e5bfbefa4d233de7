"""The steps of a retraining."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from prn_pipeline.configuration.tracking_server import tracking_of
from prn_pipeline.layout.scopes import scope_path
from prn_pipeline.processes.exit_codes import RUNS_FAILED, ExitError
from prn_pipeline.processes.locks import project_lock
from prn_pipeline.processes.signals import graceful_shutdown
from prn_pipeline.reporting.leaderboard import read_runs
from prn_pipeline.retraining.judging import PromotionError, awaits_judgement, judge
from prn_pipeline.retraining.remote import pull, push
from prn_pipeline.retraining.report import Report, RunReport, reported
from prn_pipeline.sweep.leaderboard import track_if_possible, write_leaderboard
from prn_pipeline.sweep.lists import Lists, read_lists
from prn_pipeline.sweep.run import Outcome
from prn_pipeline.sweep.stale import run_stale


def retrain(
    project: Path,
    *,
    workers: int,
    pulls: bool,
    pushes: bool,
    prepare: Callable[[Lists], None],
    told: Callable[[Outcome], None],
    say: Callable[[str], None],
) -> Report:
    """Pull data, run the stages that are stale, judge runs whose scores are new, push.

    Args:
        project: root of the repository.
        workers: base models at a time.
        pulls: from DVC's default remote, where one is set.
        pushes: to it, likewise.
        prepare: called with the project's lists before anything runs: links raw data, warns.
        told: of every job's outcome, as soon as it is known.
        say: a line for people.

    Returns:
        What was done; it is in data/08_reporting/retrain.json too.

    Raises:
        ExitError: another one is running, this one was told to end, or the remote failed.
        UserError: lists are wrong, or DVC cannot read the project.
    """
    with project_lock(project), reported(project) as report, graceful_shutdown():
        if pulls:
            pull(project, say)
        lists = read_lists(project)
        prepare(lists)
        outcomes = run_stale(lists, project, workers, told)
        report.runs.extend(_judged(lists, project, outcomes, say))
        if any(run.outcome == "failed" for run in report.runs):
            report.end(RUNS_FAILED, report.line)
        if pushes:
            _push(project, report)
        if outcomes or any(run.outcome in ("promoted", "kept") for run in report.runs):
            _show(lists, project, say)
    return report


def _show(lists: Lists, project: Path, say: Callable[[str], None]) -> None:
    """The leaderboard: results are safe by now."""
    made, page = write_leaderboard(lists, project)
    track_if_possible(made, page, tracking_of(project), say)


def _judged(
    lists: Lists, project: Path, outcomes: Sequence[Outcome], say: Callable[[str], None]
) -> Iterator[RunReport]:
    """Every run, after the promotion pipeline has seen those whose scores are new."""
    for run in read_runs(lists.runs(), project):
        stages = _run_for(run.names, outcomes)
        if run.failure is not None:
            yield RunReport(run.names, stages, "failed", f"{run.failure['stage']}: {run.failure['message']}")
        elif not awaits_judgement(run.names, project):
            yield RunReport(run.names, stages, "unchanged")
        else:
            yield _judge(run.names, project, stages, say)


def _judge(names: Mapping[str, Any], project: Path, stages: list[str], say: Callable[[str], None]) -> RunReport:
    path = scope_path("run", dict(names))
    try:
        outcome: Literal["promoted", "kept"] = "promoted" if judge(names, project) else "kept"
    except PromotionError as error:
        say(f"{path}: promotion failed: {error}")
        return RunReport(names, stages, "failed", f"promotion: {error}")
    say(f"{path}: {'promoted' if outcome == 'promoted' else 'the champion is kept'}")
    return RunReport(names, stages, outcome)


def _run_for(run: Mapping[str, Any], outcomes: Sequence[Outcome]) -> list[str]:
    """Stages that were run, for this run or for what it shares with others."""
    return [
        one.stage
        for outcome in outcomes
        for one in outcome.job.stages
        if one.address in outcome.done and one.names.items() <= run.items()
    ]


def _push(project: Path, report: Report) -> None:
    try:
        push(project)
    except ExitError as error:
        raise ExitError(f"{report.line}; {error}", error.exit_code) from None
