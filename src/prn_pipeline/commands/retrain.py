"""`prn retrain`, and its first and last step as commands of their own, for schedulers that run stages themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from prn_pipeline.commands.terminal import data_option, jobs_option, prepare, project_root, tell
from prn_pipeline.commands.user_errors import exit_with_code, report_user_errors
from prn_pipeline.processes.exit_codes import EXIT_CODES_HELP


@click.command(epilog=EXIT_CODES_HELP)
@jobs_option
@data_option
@click.option("--pull/--no-pull", default=True, show_default=True, help="from DVC's default remote, where one is set")
@click.option("--push/--no-push", default=True, show_default=True, help="to it, likewise")
@exit_with_code
@report_user_errors
def retrain(jobs: int, data: Path | None, pull: bool, push: bool) -> None:
    """Pull data, run what is stale, promote what is better than its champion, push: one command for a scheduler.

    Nothing runs where nothing has changed. The last line, and data/08_reporting/retrain.json, say what was done.
    """
    from prn_pipeline.retraining.retrain import retrain as retrain_project

    project, console = project_root(), Console()
    report = retrain_project(
        project,
        workers=jobs,
        pulls=pull,
        pushes=push,
        prepare=lambda lists: prepare(lists, data, project, console),
        told=lambda outcome: tell(outcome, project, console),
        say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
    )
    console.print(report.message, highlight=False, soft_wrap=True)
    sys.exit(report.exit_code)


@click.command()
@exit_with_code
@report_user_errors
def pull() -> None:
    """Data and results from DVC's default remote, where one is set; raw data that was changed here stays as it is."""
    from prn_pipeline.retraining.remote import pull as pull_project

    pull_project(project_root(), say=click.echo)


@click.command()
@exit_with_code
@report_user_errors
def push() -> None:
    """Data and results to DVC's default remote, where one is set."""
    from prn_pipeline.retraining.remote import push as push_project

    push_project(project_root())
