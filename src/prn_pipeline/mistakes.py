"""What of an error its user can mend, in one message; all else is a defect and keeps its traceback."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.project import pipelines
from kedro.utils import find_kedro_project
from mlflow.exceptions import MlflowException

from prn_pipeline.errors import UserError

#: Errors of the operating system that no program can help, and what can.
REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or ask for a larger quota",
    errno.EROFS: "mount it for writing, or work on another disk",
    errno.EACCES: "give yourself the right, or work in a folder of your own",
    errno.EPERM: "give yourself the right, or work in a folder of your own",
}
#: How MLflow begins where a server does not answer; the rest is of the library that asked.
NO_ANSWER = "API request to "


def users_mistake(error: BaseException | None) -> UserError | None:
    """What a user can mend of an error, or of one that caused it: Kedro wraps what a dataset raises. None: a defect."""
    return next((mistake for cause in _causes(error) if (mistake := _as_mistake(cause))), None)


def check_run(options: dict[str, Any]) -> None:
    """Of `kedro run`'s options, the names that Kedro has no words for.

    Raises:
        UserError: there is no such pipeline or environment.
    """
    chosen = [*(options.get("pipelines") or ()), *([options["pipeline"]] if options.get("pipeline") else ())]
    for name in chosen:
        if name not in pipelines:
            raise UserError(_unknown("pipeline", name, pipelines))
    project = find_kedro_project(Path.cwd())
    environment = options.get("env") or os.environ.get("KEDRO_ENV")
    if project and environment:
        there = sorted(folder.name for folder in (Path(project) / "conf").iterdir() if folder.is_dir())
        if environment not in there:
            raise UserError(f"{_unknown('environment', environment, there)}; each is a folder of conf/")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return (
        f"unknown {kind} {name!r}; {f'did you mean {near[0]!r}? There are' if near else 'there are'} {', '.join(known)}"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _as_mistake(error: BaseException) -> UserError | None:
    if isinstance(error, UserError):
        return error
    if isinstance(error, yaml.YAMLError):
        return UserError(f"{error} Correct the file.")
    if isinstance(error, OSError) and error.errno in REMEDIES:
        return UserError(f"{error.filename or 'a file'}: {error.strerror}; {REMEDIES[error.errno]}")
    if isinstance(error, MlflowException) and str(error).startswith(NO_ANSWER):
        server = str(error).removeprefix(NO_ANSWER).partition("/api/")[0]
        return UserError(
            f"the tracking server {server} does not answer: start it, or correct MLFLOW_TRACKING_URI or"
            " conf/*/mlflow.yml"
        )
    return None
