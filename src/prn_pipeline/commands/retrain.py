"""`prn retrain`, and its first and last step as commands for schedulers that run the stages themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from prn_pipeline.commands.terminal import (
    data_option,
    jobs_option,
    link_and_warn,
    new_console,
    print_outcome,
    project_root,
)
from prn_pipeline.commands.user_errors import exit_with_code, report_user_errors
from prn_pipeline.processes.exit_codes import EXIT_CODES_HELP


@click.command(epilog=EXIT_CODES_HELP)
@jobs_option
@data_option
@click.option("--pull/--no-pull", default=True, show_default=True, help="pull from DVC's default remote, if one is set")
@click.option("--push/--no-push", default=True, show_default=True, help="push to DVC's default remote, if one is set")
@exit_with_code
@report_user_errors
def retrain(jobs: int, data: Path | None, pull: bool, push: bool) -> None:
    """Retrain what is stale, and promote better predictors.

    One command for schedulers: it pulls data, runs the stale stages, promotes predictors that are better than their
    champion, and pushes. Nothing runs if nothing has changed. The last line and data/08_reporting/retrain.json report
    what was done.
    """
    from prn_pipeline.retraining.retrain import retrain as retrain_project

    project, console = project_root(), new_console()
    report = retrain_project(
        project,
        workers=jobs,
        pulls=pull,
        pushes=push,
        before_runs=lambda lists: link_and_warn(lists, data, project, console),
        on_outcome=lambda outcome: print_outcome(outcome, project, console),
        echo=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
    )
    console.print(report.message, highlight=False, markup=False, soft_wrap=True)
    sys.exit(report.exit_code)


@click.command()
@exit_with_code
@report_user_errors
def pull() -> None:
    """Get data and results from DVC's default remote.

    Does nothing if no remote is set. Raw data that was changed here is kept.
    """
    from prn_pipeline.retraining.remote import pull as pull_project

    pull_project(project_root(), echo=click.echo)


@click.command()
@exit_with_code
@report_user_errors
def push() -> None:
    """Send data and results to DVC's default remote.

    Does nothing if no remote is set.
    """
    from prn_pipeline.retraining.remote import push as push_project

    push_project(project_root())
