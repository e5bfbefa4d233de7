"""`prn verify`: make a committed run again, and list what differs from its committed results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prn_pipeline.commands.terminal import data_option, new_console, project_root
from prn_pipeline.commands.user_errors import exit_with_code, report_user_errors
from prn_pipeline.processes.exit_codes import ExitError

if TYPE_CHECKING:
    from rich.console import Console

    from prn_pipeline.sweep.verify import Verification

#: Differences that are listed of each kind.
MAX_LISTED = 20


@click.command()
@click.argument("run")
@data_option
@click.option("--keep", is_flag=True, help="keep the copy of the project in which the run was made")
@exit_with_code
@report_user_errors
def verify(run: str, data: Path | None, keep: bool) -> None:
    """Repeat the committed RUN and compare its scores.

    RUN is the path of the run below benchmarks/results, such as synthetic_roads/unet_resnet18_small/prn/seed-0, or of
    its scores JSON. Its stages run in a temporary copy of the project: your own results are not touched. Exit code 0 if
    all scores agree to the last digit, 1 if one differs, 2 if there is no such run.
    """
    from prn_pipeline.processes.signals import graceful_shutdown
    from prn_pipeline.sweep.committed_results import UnknownRunError, find_run
    from prn_pipeline.sweep.verify import verify as verify_run

    project, console = project_root(), new_console()
    try:
        committed = find_run(run, project)
    except UnknownRunError as error:
        raise click.BadParameter(str(error), param_hint="RUN") from None
    try:
        with graceful_shutdown():
            found = verify_run(committed, project, data, keep=keep, echo=click.echo)
    except ExitError as error:
        raise ExitError(f"ended by a signal: {committed.name} was not compared", error.exit_code) from None
    print_verification(found, console)
    sys.exit(1 if found.scores else 0)


def print_verification(found: Verification, console: Console) -> None:
    """Print the differences in scores as a table, and the first differences in dvc.lock."""
    from rich.table import Table

    if found.scores:
        table = Table("score", "committed", "now", "difference", box=None, header_style="dim", pad_edge=False)
        for score in found.scores[:MAX_LISTED]:
            size = f"{score.size:.3g}" if score.size < float("inf") else ""
            table.add_row(score.key, _text(score.committed), _text(score.found), size)
        console.print(table)
        _print_rest(len(found.scores), console)
        console.print(
            f"[red]{len(found.scores)} score{' differs' if len(found.scores) == 1 else 's differ'}[/red]",
            highlight=False,
        )
    else:
        console.print("All scores agree to the last digit.")
    if not found.recorded:
        console.print("The committed dvc.lock has no record of this run, so no hashes were compared.", soft_wrap=True)
    elif not found.lock:
        console.print("All recorded hashes agree: the same code, parameters and data gave the same outputs.")
    else:
        console.print(
            f"First difference from the committed dvc.lock: {found.lock[0]}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        for difference in found.lock[1:MAX_LISTED]:
            console.print(f"  {difference}", style="dim", highlight=False, markup=False, soft_wrap=True)
        _print_rest(len(found.lock), console)


def _print_rest(count: int, console: Console) -> None:
    if count > MAX_LISTED:
        console.print(f"  ... and {count - MAX_LISTED} more", style="dim", highlight=False)


def _text(value: object) -> str:
    return "missing" if value is None else repr(value) if isinstance(value, float) else str(value)
