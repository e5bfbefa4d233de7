"""What of an error its user can mend, in one message; all else is a defect and keeps its traceback."""

from __future__ import annotations

import difflib
import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.framework.project import pipelines
from kedro.utils import find_kedro_project
from mlflow.exceptions import MlflowException

from prn_pipeline.errors import UserError
from prn_pipeline.processes.exit_codes import ExitError

#: Errors of the operating system that no program can help, and what can.
REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or ask for a larger quota",
    errno.EROFS: "mount it for writing, or work on another disk",
    errno.EACCES: "give yourself the right, or work in a folder of your own",
}
#: What MLflow says where a server does not answer; one that refuses says something else.
NO_ANSWER = re.compile(r"API request to (https?://\S+?)/api/\S+ failed with (?:timeout )?exception (.*)", re.DOTALL)
#: Of the reason for it, which is long.
SHOWN = 200


def as_user_error(error: BaseException | None) -> UserError | None:
    """What a user can mend of an error, or of what it was raised for; None: a defect.

    Kedro wraps what a dataset raises. Errors of other libraries count where something was raised from them, and not
    where something went wrong while they were handled: that is a defect.
    """
    found = next((cause for cause in _chain(error, handled=True) if isinstance(cause, UserError)), None)
    return found or next(filter(None, map(_of_others, _chain(error, handled=False))), None)


def check_run(options: dict[str, Any]) -> None:
    """Of `kedro run`'s options, the names that Kedro has no words for.

    Raises:
        UserError: there is no such pipeline or environment.
    """
    chosen = [*(options.get("pipelines") or ()), *([options["pipeline"]] if options.get("pipeline") else ())]
    for name in chosen:
        if name not in pipelines:
            raise UserError(_unknown("pipeline", name, pipelines))
    environment = options.get("env") or os.environ.get("KEDRO_ENV")
    project = find_kedro_project(Path.cwd())
    if not environment or not project or options.get("conf_source"):
        return
    conf = Path(project) / "conf"
    if not (conf / environment).is_dir():
        there = sorted(folder.name for folder in conf.iterdir() if folder.is_dir())
        raise UserError(f"{_unknown('environment', environment, there)}; each is a folder of {conf}")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return (
        f"unknown {kind} {name!r}; {f'did you mean {near[0]!r}? There are' if near else 'there are'} {', '.join(known)}"
    )


def _chain(error: BaseException | None, *, handled: bool) -> Iterator[BaseException]:
    """An error and its causes; also what was being handled when it was raised."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (error.__context__ if handled else None)


def _of_others(error: BaseException) -> UserError | None:
    if isinstance(error, yaml.MarkedYAMLError):
        return UserError(f"{error} Correct the file.")
    if isinstance(error, OSError) and error.errno in REMEDIES:
        place = f"{error.filename}: " if error.filename else ""  # writing to an open file knows none
        return UserError(f"{place}{error.strerror}; {REMEDIES[error.errno]}")
    if isinstance(error, MlflowException) and (silence := NO_ANSWER.match(str(error))):
        return UserError(
            f"the tracking server {silence[1]} does not answer ({silence[2][:SHOWN]}): start it, or correct"
            " MLFLOW_TRACKING_URI or conf/*/mlflow.yml"
        )
    return None


def report_user_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: a user's mistake becomes `Error: ...` and exit code 1; everything else stays a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            mistake = as_user_error(error)
            if mistake is None:
                raise
            raise click.ClickException(str(mistake)) from error

    return wrapped


def exit_with_code(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: a ExitError becomes `Error: ...` and its exit code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ExitError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(error.exit_code)

    return wrapped
