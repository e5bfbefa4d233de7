"""Commands for many cells at once: plan, benchmark, leaderboard."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from prn_pipeline.cli import speaking_plainly
from prn_pipeline.commands.project import this_project


@click.command()
@speaking_plainly
def plan() -> None:
    """Which stages would run, why, and what they will take; nothing is run."""
    from prn_pipeline.benchmark.lists import read_lists, unknown_names
    from prn_pipeline.benchmark.plan import plan as plan_stages
    from prn_pipeline.benchmark.plan_table import plan_table, totals
    from prn_pipeline.benchmark.raw_data import without_raw_data

    project, console = this_project(), Console()
    lists = read_lists(project)
    _warn(console, [*unknown_names(lists, project), *without_raw_data(lists.datasets, project)])
    stages = plan_stages(lists, project)
    if not stages:
        console.print("Everything is up to date: nothing would run.")
        return
    console.print(plan_table(stages))
    console.print(totals(stages), highlight=False)


@click.command()
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="base models at a time, each with its share of the cores",
)
@click.option(
    "--lists",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="take the lists of this file: it replaces conf/base/benchmark.yml",
)
@click.option(
    "--data",
    envvar="PRN_DATA_ROOT",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of your data sets, which are linked to data/01_raw  [default: PRN_DATA_ROOT]",
)
@speaking_plainly
def benchmark(jobs: int, file: Path | None, data: Path | None) -> None:
    """Run what is stale, then the leaderboard. A failed cell stops no other; exit code 1 if one failed."""
    from prn_pipeline.benchmark.failures import forget_failure
    from prn_pipeline.benchmark.lists import LISTS, read_lists, stage_addresses, unknown_names, use_lists
    from prn_pipeline.benchmark.plan import plan as plan_stages
    from prn_pipeline.benchmark.raw_data import folders_of, link_raw_data, without_raw_data
    from prn_pipeline.benchmark.run import Outcome, jobs_of, run_jobs

    project, console = this_project(), Console()
    lists = use_lists(project, file) if file else read_lists(project)
    if file:
        console.print(f"{LISTS} has the lists of {file} now", style="dim", highlight=False, soft_wrap=True)
    for link in link_raw_data(folders_of(lists.datasets, project), project, data.resolve()) if data else []:
        console.print(f"{link.relative_to(project)} -> {link.readlink()}", style="dim", highlight=False, soft_wrap=True)
    _warn(console, [*unknown_names(lists, project), *without_raw_data(lists.datasets, project)])

    def tell(outcome: Outcome) -> None:
        state = f"[red]failed[/red] in {', '.join(outcome.failed)}" if outcome.failed else "done"
        log = outcome.log.relative_to(project)
        console.print(f"{outcome.job.name}: {state}  [dim]{log}[/dim]", highlight=False, soft_wrap=True)

    planned = plan_stages(lists, project)
    stale = {one.address for one in planned}
    for address, (stage, names) in stage_addresses(lists).items():
        if address not in stale:
            forget_failure(stage, names, project)
    data_sets, cells = jobs_of(planned)
    outcomes = list(run_jobs(data_sets, project, 1, tell))
    broken = {outcome.job.name for outcome in outcomes if outcome.failed}
    cells = [job for job in cells if job.stages[0].names["dataset"] not in broken]
    outcomes += run_jobs(cells, project, jobs, tell)
    _leaderboard(project, console)
    sys.exit(1 if any(outcome.failed for outcome in outcomes) else 0)


@click.command()
@speaking_plainly
def leaderboard() -> None:
    """Every method on every data set: printed, and written as HTML, CSV and Markdown."""
    _leaderboard(this_project(), Console())


def _warn(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)


def _leaderboard(project: Path, console: Console) -> None:
    from prn_pipeline.benchmark.leaderboard import track_leaderboard, write_leaderboard
    from prn_pipeline.benchmark.lists import read_lists
    from prn_pipeline.reporting.leaderboard import terminal
    from prn_pipeline.tracking_server import tracking_of

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
