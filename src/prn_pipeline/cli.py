"""`kedro run` as Kedro has it, but a user's mistake ends in one message and not in a traceback."""

from __future__ import annotations

import copy
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from prn_pipeline.benchmark.failures import noting_failure
from prn_pipeline.hooks import ReportPathHooks
from prn_pipeline.mistakes import check_run, users_mistake
from prn_pipeline.retraining.exclusive import ending_in_order
from prn_pipeline.retraining.exit_codes import RetrainingError
from prn_pipeline.tracking import closing_runs


def speaking_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: a user's mistake becomes `Error: ...` and exit code 1; everything else stays a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            mistake = users_mistake(error)
            if mistake is None:
                raise
            raise click.ClickException(str(mistake)) from error

    return wrapped


def ending_with_its_code(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: a RetrainingError becomes `Error: ...` and its exit code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except RetrainingError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)

    return wrapped


@click.group(name="prn_pipeline")
def cli() -> None:
    """Commands of this project."""


def _run(**options: Any) -> None:
    check_run(options)
    ReportPathHooks.written = None
    assert kedro_run.callback is not None
    if "DVC_STAGE" in os.environ:
        options["params"] = _tracked_by_dvc(options["params"] or {})
    with ending_in_order(), noting_failure(options["params"] or {}, _in_a_few_words), closing_runs():
        kedro_run.callback(**options)
    if ReportPathHooks.written is not None:
        click.echo(f"\nReport: {ReportPathHooks.written}")


def _tracked_by_dvc(params: dict[str, Any]) -> dict[str, Any]:
    """Read the raw data that DVC tracks, and no other: data/01_raw/<dataset>, wherever else the folder may be."""
    os.environ.pop("PRN_DATA_ROOT", None)
    if (name := params.get("dataset")) is None:
        return params
    datasets = params.get("datasets", {})
    return params | {"datasets": datasets | {name: datasets.get(name, {}) | {"folder": None}}}


def _in_a_few_words(error: Exception) -> str:
    return str(users_mistake(error) or f"{type(error).__name__}: {error}")


run = copy.copy(kedro_run)
run.callback = ending_with_its_code(speaking_plainly(_run))
cli.add_command(run)
