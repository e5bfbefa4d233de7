"""What the commands of many runs share: the project they are in, their options, and what they say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from kedro.utils import find_kedro_project
from rich.console import Console

from prn_pipeline.errors import UserError

if TYPE_CHECKING:  # so that --help does not wait for DVC
    from prn_pipeline.sweep.lists import Lists
    from prn_pipeline.sweep.run import Outcome

jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="base models at a time, each with its share of the cores",
)
data_option = click.option(
    "--data",
    envvar="PRN_DATA_ROOT",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="folder of your data sets, which are linked to data/01_raw  [default: PRN_DATA_ROOT]",
)


def project_root() -> Path:
    """Root of the project that the working directory is in.

    Raises:
        UserError: it is in none.
    """
    found = find_kedro_project(Path.cwd())
    if found is None:
        raise UserError(f"{Path.cwd()} is not below a project: go to the folder that has pyproject.toml and conf/")
    return Path(found)


def prepare(lists: Lists, data: Path | None, project: Path, console: Console) -> None:
    """Link the raw data that lies below `data`, and say which runs will fail for want of a name or of raw data."""
    from prn_pipeline.sweep.lists import unknown_names
    from prn_pipeline.sweep.raw_data import folders_of, link_raw_data, without_raw_data

    for link in link_raw_data(folders_of(lists.datasets, project), project, data.resolve()) if data else []:
        console.print(f"{link.relative_to(project)} -> {link.readlink()}", style="dim", highlight=False, soft_wrap=True)
    warn(console, [*unknown_names(lists, project), *without_raw_data(lists.datasets, project)])


def tell(outcome: Outcome, project: Path, console: Console) -> None:
    """Say how a job ended."""
    state = f"[red]failed[/red] in {', '.join(outcome.failed)}" if outcome.failed else "done"
    log = outcome.log.relative_to(project)
    console.print(f"{outcome.job.name}: {state}  [dim]{log}[/dim]", highlight=False, soft_wrap=True)


def warn(console: Console, lines: Iterable[str]) -> None:
    """In red, a line each."""
    for line in lines:
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
