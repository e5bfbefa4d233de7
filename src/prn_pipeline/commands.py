"""The command `prn`: what is done with many cells at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from kedro.utils import find_kedro_project
from rich.console import Console

from prn_pipeline.cli import speaking_plainly
from prn_pipeline.errors import UserError
from prn_pipeline.retraining.exit_codes import EXIT_CODES_HELP, RetrainingError

if TYPE_CHECKING:
    from prn_pipeline.benchmark.lists import Lists
    from prn_pipeline.benchmark.run import Outcome


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def prn() -> None:
    """Benchmarks of refiners: conf/base/benchmark.yml lists the cells. One cell is run by `kedro run`."""


def _project() -> Path:
    found = find_kedro_project(Path.cwd())
    if found is None:
        raise UserError(f"{Path.cwd()} is not below a project: go to the folder that has pyproject.toml and conf/")
    return Path(found)


@prn.command()
@speaking_plainly
def plan() -> None:
    """Which stages would run, why, and what they will take; nothing is run."""
    from prn_pipeline.benchmark.lists import read_lists, unknown_names
    from prn_pipeline.benchmark.plan import plan as plan_stages
    from prn_pipeline.benchmark.plan_table import plan_table, totals
    from prn_pipeline.benchmark.raw_data import without_raw_data

    project, console = _project(), Console()
    lists = read_lists(project)
    _warn(console, [*unknown_names(lists, project), *without_raw_data(lists.datasets, project)])
    stages = plan_stages(lists, project)
    if not stages:
        console.print("Everything is up to date: nothing would run.")
        return
    console.print(plan_table(stages))
    console.print(totals(stages), highlight=False)


_jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="base models at a time, each with its share of the cores",
)
_data = click.option(
    "--data",
    envvar="PRN_DATA_ROOT",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of your data sets, which are linked to data/01_raw  [default: PRN_DATA_ROOT]",
)


@prn.command()
@_jobs
@click.option(
    "--lists",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="take the lists of this file: it replaces conf/base/benchmark.yml",
)
@_data
@speaking_plainly
def benchmark(jobs: int, file: Path | None, data: Path | None) -> None:
    """Run what is stale, then the leaderboard. A failed cell stops no other; exit code 1 if one failed."""
    from prn_pipeline.benchmark.lists import LISTS, read_lists, use_lists
    from prn_pipeline.benchmark.stale import run_stale

    project, console = _project(), Console()
    lists = use_lists(project, file) if file else read_lists(project)
    if file:
        console.print(f"{LISTS} has the lists of {file} now", style="dim", highlight=False, soft_wrap=True)
    _prepare(lists, data, project, console)
    outcomes = run_stale(lists, project, jobs, lambda outcome: _tell(outcome, project, console))
    _leaderboard(project, console)
    sys.exit(1 if any(outcome.failed for outcome in outcomes) else 0)


@prn.command(epilog=EXIT_CODES_HELP)
@_jobs
@_data
@click.option("--pull/--no-pull", default=True, show_default=True, help="from DVC's default remote, where one is set")
@click.option("--push/--no-push", default=True, show_default=True, help="to it, likewise")
@speaking_plainly
def retrain(jobs: int, data: Path | None, pull: bool, push: bool) -> None:
    """Pull data, run what is stale, promote what is better than its champion, push: one command for a scheduler.

    Nothing runs where nothing has changed. The last line, and data/08_reporting/retrain.json, say what was done.
    """
    from prn_pipeline.retraining.retrain import retrain as retrain_project

    project, console = _project(), Console()
    try:
        report = retrain_project(
            project,
            workers=jobs,
            pulls=pull,
            pushes=push,
            prepare=lambda lists: _prepare(lists, data, project, console),
            told=lambda outcome: _tell(outcome, project, console),
            say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
        )
    except RetrainingError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    console.print(report.message, highlight=False, soft_wrap=True)
    sys.exit(report.exit_code)


@prn.command()
@speaking_plainly
def leaderboard() -> None:
    """Every method on every data set: printed, and written as HTML, CSV and Markdown."""
    _leaderboard(_project(), Console())


def _prepare(lists: Lists, data: Path | None, project: Path, console: Console) -> None:
    from prn_pipeline.benchmark.lists import unknown_names
    from prn_pipeline.benchmark.raw_data import folders_of, link_raw_data, without_raw_data

    for link in link_raw_data(folders_of(lists.datasets, project), project, data.resolve()) if data else []:
        console.print(f"{link.relative_to(project)} -> {link.readlink()}", style="dim", highlight=False, soft_wrap=True)
    _warn(console, [*unknown_names(lists, project), *without_raw_data(lists.datasets, project)])


def _tell(outcome: Outcome, project: Path, console: Console) -> None:
    state = f"[red]failed[/red] in {', '.join(outcome.failed)}" if outcome.failed else "done"
    log = outcome.log.relative_to(project)
    console.print(f"{outcome.job.name}: {state}  [dim]{log}[/dim]", highlight=False, soft_wrap=True)


def _warn(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)


def _leaderboard(project: Path, console: Console) -> None:
    from prn_pipeline.benchmark.leaderboard import track_leaderboard, tracking_of, write_leaderboard
    from prn_pipeline.benchmark.lists import read_lists
    from prn_pipeline.reporting.leaderboard import terminal

    lists = read_lists(project)
    made, page = write_leaderboard(lists, project)
    if made.standings:
        console.print(terminal(made.standings, console.width))
    for cell in made.trouble:
        what = "failed" if cell.failure else "not run"
        why = f" in {cell.failure['stage']}: {' '.join(cell.failure['message'].split())}" if cell.failure else ""
        style = "red" if cell.failure else "dim"
        console.print(f"{cell.path}: {what}{why}", style=style, highlight=False, markup=False)
    console.print(f"\nLeaderboard: {page}", highlight=False, soft_wrap=True)
    track_leaderboard(made, page, tracking_of(project))
