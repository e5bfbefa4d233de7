"""What the commands for many runs share: project, options and output."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prn_pipeline.errors import UserError

if TYPE_CHECKING:  # so that --help waits neither for DVC nor for rich
    from rich.console import Console

    from prn_pipeline.sweep.lists import Lists
    from prn_pipeline.sweep.run import Job, Outcome


class _Folder(click.Path):
    """A path in which ~ is the user's home, also in a variable that no shell has expanded."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, checked as click does."""
        return super().convert(os.path.expanduser(value), param, ctx)


jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="base models trained at a time, each with its share of the cores",
)
data_option = click.option(
    "--data",
    envvar="PRN_DATA_ROOT",
    type=_Folder(exists=True, file_okay=False, path_type=Path),
    help="folder that holds your data sets, for those that are not in data/01_raw  [default: PRN_DATA_ROOT]",
)


def project_root() -> Path:
    """Root of the project that contains the working directory.

    Raises:
        UserError: there is none.
    """
    from kedro.utils import find_kedro_project

    found = find_kedro_project(Path.cwd())
    if found is None:
        raise UserError(f"{Path.cwd()} is not in a project: change to the folder with pyproject.toml and conf/")
    return Path(found)


def new_console(stderr: bool = False) -> Console:
    """The terminal that the command was called in; with `stderr`, its standard error."""
    from rich.console import Console

    return Console(stderr=stderr)


def link_and_warn(lists: Lists, data: Path | None, project: Path, console: Console) -> None:
    """Link raw data below `data` into the project, and warn of runs that lack raw data or have an unknown name."""
    from prn_pipeline.sweep.lists import unknown_names
    from prn_pipeline.sweep.raw_data import folders_of, link_raw_data, without_raw_data

    for link in link_raw_data(folders_of(lists.datasets, project), project, data.resolve()) if data else []:
        console.print(
            f"{link.relative_to(project)} -> {link.readlink()}",
            style="dim",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    print_warnings(console, [*unknown_names(lists, project), *without_raw_data(lists.datasets, project)])


def print_stage(job: Job, number: int, console: Console) -> None:
    """Print which stage of a job begins, and when."""
    one = job.stages[number - 1]
    of = f" of {one.names['refiner']}" if "refiner" in one.names else ""
    line = f"{datetime.now():%H:%M:%S}  {job.name}: {one.stage}{of}, {number} of {len(job.stages)}"
    console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)


def print_outcome(outcome: Outcome, project: Path, console: Console) -> None:
    """Print how a job ended, and its log file."""
    from rich.markup import escape

    state = f"[red]failed[/red] in {escape(', '.join(outcome.failed))}" if outcome.failed else "done"
    log = outcome.log.relative_to(project)
    console.print(
        f"{escape(outcome.job.name)}: {state}  [dim]{escape(str(log))}[/dim]", highlight=False, soft_wrap=True
    )


def print_warnings(console: Console, lines: Iterable[str]) -> None:
    """Print each line in red."""
    for line in lines:
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
