"""Commands for all runs of conf/base/benchmark.yml: plan, benchmark, leaderboard."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.json_results import benchmark_as_json
from prn_pipeline.commands.terminal import (
    data_option,
    jobs_option,
    link_and_warn,
    new_console,
    print_outcome,
    print_stage,
    print_warnings,
    project_root,
)
from prn_pipeline.commands.user_errors import exit_with_code, report_user_errors
from prn_pipeline.errors import UserError, counted

if TYPE_CHECKING:
    from rich.console import Console

    from prn_pipeline.reporting.leaderboard import BenchmarkRun


@click.command()
@data_option
@report_user_errors
def plan(data: Path | None) -> None:
    """List the stages that `prn benchmark` would run, and why.

    Prints estimates of time and disk space too, where such stages have run before. Nothing is run.
    """
    from prn_pipeline.sweep.lists import read_lists, unknown_names
    from prn_pipeline.sweep.plan import plan as plan_stages
    from prn_pipeline.sweep.plan_table import plan_table, totals
    from prn_pipeline.sweep.raw_data import without_raw_data

    project, console = project_root(), new_console()
    lists = read_lists(project)
    print_warnings(console, [*unknown_names(lists, project), *without_raw_data(lists.datasets, project, data)])
    stages = plan_stages(lists, project)
    if not stages:
        console.print("Everything is up to date: nothing would run.")
        return
    console.print(plan_table(stages))
    console.print(totals(stages), highlight=False)


@click.command()
@jobs_option
@click.option(
    "--lists",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="file with other lists, which are written to conf/base/benchmark.yml",
)
@data_option
@click.option("--json", "as_json", is_flag=True, help="print how the runs ended as JSON; all else to standard error")
@exit_with_code
@report_user_errors
def benchmark(jobs: int, file: Path | None, data: Path | None, as_json: bool) -> None:
    """Run what is stale, then write the leaderboard.

    The runs are all combinations of the lists in conf/base/benchmark.yml. Exit code 0 if all runs succeeded, 1 if one
    failed (the others finish), 4 if another `prn benchmark` or `prn retrain` is running in this project. Ctrl-C and
    SIGTERM end the running stages first; the exit code is then 130 or 143.
    """
    from prn_pipeline.layout.places import BENCHMARK_LISTS
    from prn_pipeline.processes.locks import project_lock
    from prn_pipeline.processes.signals import graceful_shutdown
    from prn_pipeline.sweep.lists import read_lists, use_lists
    from prn_pipeline.sweep.run_stale import run_stale

    project, console = project_root(), new_console(stderr=as_json)
    # DVC releases its own lock while a stage runs, so a pull could change the files of a stage.
    with project_lock(project), graceful_shutdown():
        lists = use_lists(project, file) if file else read_lists(project)
        if file:
            line = f"{BENCHMARK_LISTS} now has the lists of {file}"
            console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
        link_and_warn(lists, data, project, console)
        outcomes = run_stale(
            lists,
            project,
            jobs,
            lambda outcome: print_outcome(outcome, project, console),
            lambda job, number: print_stage(job, number, console),
        )
        page = _leaderboard(project, console)
    if as_json:
        click.echo(benchmark_as_json(lists, outcomes, project, page))
    sys.exit(1 if any(outcome.failed for outcome in outcomes) else 0)


@click.command()
@report_user_errors
def leaderboard() -> None:
    """Print the leaderboard: every method on every data set.

    Also writes it as HTML, CSV and Markdown. Nothing is run.
    """
    _leaderboard(project_root(), new_console())


def _leaderboard(project: Path, console: Console) -> Path:
    from prn_pipeline.configuration.tracking_server import tracking_settings
    from prn_pipeline.reporting.leaderboard import read_runs, terminal
    from prn_pipeline.sweep.leaderboard import track_if_possible, write_leaderboard
    from prn_pipeline.sweep.lists import read_lists
    from prn_pipeline.sweep.run_stale import clear_resolved_failures

    lists = read_lists(project)
    if any(run.failure for run in read_runs(lists.runs(), project)):
        with contextlib.suppress(UserError):  # DVC is busy or its files are broken: keep the failures
            clear_resolved_failures(lists, project)  # `dvc repro` may have restored results from its cache
    made, page = write_leaderboard(lists, project)
    if made.standings:
        console.print(terminal(made.standings, console.width, made.ranking.best))
    print_warnings(console, made.warnings)
    if made.mixed:
        averaged = f"averaged over runs with different settings: {', '.join(made.mixed)}"
        print_warnings(console, [f"{averaged}; prn plan lists what is stale, prn benchmark runs it"])
    for reason, runs in by_reason(made.unscored).items():
        style = "red" if any(run.failure for run in runs) else "dim"
        console.print(
            f"{counted(len(runs), 'run')} {reason}",
            style=style,
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        for run in runs:
            console.print(f"  {run.path}", style="dim", highlight=False, markup=False, soft_wrap=True)
    console.print(f"\nLeaderboard: {page}", highlight=False, markup=False, soft_wrap=True)
    track_if_possible(made, page, tracking_settings(project), lambda line: print_warnings(console, [line]))
    return page


def by_reason(unscored: Iterable[BenchmarkRun]) -> dict[str, list[BenchmarkRun]]:
    """Runs without scores, grouped by the reason: a stage that runs share often fails for all of them."""
    found: dict[str, list[BenchmarkRun]] = {}
    for run in unscored:
        failure = run.failure
        reason = f"failed in {failure['stage']}: {' '.join(failure['message'].split())}" if failure else "not run:"
        found.setdefault(reason, []).append(run)
    return found
