"""`kedro run` as Kedro has it, but a user's mistake ends in one message and not in a traceback."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from prn_pipeline.benchmark.failures import noting_failure
from prn_pipeline.errors import UserError
from prn_pipeline.hooks import ReportPathHooks


def users_mistake(error: BaseException | None) -> UserError | None:
    """The UserError that caused this error, if one did: Kedro wraps what a dataset raises."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, UserError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def speaking_plainly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: a UserError becomes `Error: ...` and exit code 1; everything else stays a traceback."""

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


@click.group(name="prn_pipeline")
def cli() -> None:
    """Commands of this project."""


def _run(**options: Any) -> None:
    ReportPathHooks.written = None
    assert kedro_run.callback is not None
    if "DVC_STAGE" in os.environ:
        options["params"] = _tracked_by_dvc(options["params"] or {})
    with noting_failure(options["params"] or {}, _in_a_few_words):
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
run.callback = speaking_plainly(_run)
cli.add_command(run)
