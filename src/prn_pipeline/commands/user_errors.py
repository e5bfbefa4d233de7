"""User errors end a command in one message; every other error is a defect and keeps its traceback."""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from prn_pipeline.errors import UserError, unknown_name
from prn_pipeline.processes.exit_codes import ExitError
from prn_pipeline.processes.full_disks import full_disk, is_full_disk
from prn_pipeline.processes.secrets import redact

#: Errors of the operating system that only the user can resolve -> how.
REMEDIES = {
    errno.EROFS: "mount it for writing, or work on another disk",
    errno.EPERM: "choose another place",
    errno.EACCES: "change its permissions, or work in a folder of your own",
    errno.ENOTDIR: "a file is where a folder is needed: move it away, or choose another place",
    errno.EEXIST: "a file is where a folder is needed: move it away, or choose another place",
    errno.EISDIR: "a folder is where a file is needed: move it away, or choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
}
#: Packages that are extras -> the extra, as pyproject.toml names it.
EXTRAS = {
    **dict.fromkeys(("cloudpickle", "dvc", "kedro", "kedro_datasets", "kedro_mlflow", "lightning"), "pipeline"),
    **dict.fromkeys(("matplotlib", "mlflow", "omegaconf", "sqlalchemy"), "pipeline"),
    **dict.fromkeys(("onnx", "onnxscript", "starlette", "uvicorn"), "serving"),
    **dict.fromkeys(("dask", "distributed"), "distributed"),
    **dict.fromkeys(("s3fs", "upath"), "s3"),
    **dict.fromkeys(("nibabel", "pycocotools", "pydicom", "rasterio", "shapely"), "formats"),
}
#: MLflow's message for a server that does not answer; a server that refuses has another one.
NO_ANSWER = re.compile(r"API request to (https?://\S+?)/api/\S+ failed with (?:timeout )?exception (.*)", re.DOTALL)
#: MLflow's message for an address without a host, such as http://.
NO_HOST = re.compile(r"API request to https?://api/2")
#: Characters of that message's reason that are shown.
MAX_REASON = 200


def as_user_error(error: BaseException | None) -> UserError | None:
    """The user error in an error or in its causes; None for a defect.

    Kedro wraps what a dataset raises. An error of another library counts if the error was raised from it (`from`). If
    it was merely being handled when something else went wrong, that is a defect.
    """
    found = next((cause for cause in _chain(error, handled=True) if isinstance(cause, UserError)), None)
    translated = (_missing_extra(cause) or _translated(cause) for cause in _chain(error, handled=False))
    return found or next(filter(None, translated), None)


def check_run_options(options: dict[str, Any]) -> None:
    """Check the names among `kedro run`'s options for which Kedro has no message of its own.

    Raises:
        UserError: unknown pipeline or environment, or a runner that cannot run these pipelines.
    """
    from kedro.utils import find_kedro_project

    from prn_pipeline.pipeline_registry import Pipelines

    if "ParallelRunner" in str(options.get("runner") or "") or options.get("parallel"):
        raise UserError(
            "ParallelRunner cannot run these pipelines: models and MLflow runs do not pass between its processes. Leave"
            " out --runner; `prn benchmark --jobs N` runs several base models at a time"
        )
    chosen = [*(options.get("pipelines") or ()), *([options["pipeline"]] if options.get("pipeline") else ())]
    known_pipelines = list(Pipelines())  # Kedro's own mapping would build all of them
    for name in chosen:
        if name not in known_pipelines:
            raise UserError(unknown_name("pipeline", name, known_pipelines))
    environment = options.get("env") or os.environ.get("KEDRO_ENV")
    project = find_kedro_project(Path.cwd())
    if not environment or not project or options.get("conf_source"):
        return
    conf = Path(project) / "conf"
    if not (conf / environment).is_dir():
        known = sorted(folder.name for folder in conf.iterdir() if folder.is_dir())
        raise UserError(f"{unknown_name('environment', environment, known)}; each is a folder of {conf}")


def _chain(error: BaseException | None, *, handled: bool) -> Iterator[BaseException]:
    """An error and its causes; with `handled`, also the errors that were being handled when they were raised."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (error.__context__ if handled else None)


def _missing_extra(error: BaseException) -> UserError | None:
    """How to install the package whose import failed, if it is an extra."""
    name = str(error.name) if isinstance(error, ModuleNotFoundError) else ""
    extra = EXTRAS.get(name.partition(".")[0])
    return UserError(f"{name} is not installed: pip install 'prn_pipeline[{extra}]'") if extra else None


def _translated(error: BaseException) -> UserError | None:
    """The user error that an error of another library amounts to, if any."""
    if _raised_by(error, "yaml", "MarkedYAMLError"):
        return UserError(f"{error} Correct the file.")
    if is_full_disk(error):  # Kedro repeats the message of an error that it wraps, and only that error has the path
        full = [one for one in _chain(error, handled=True) if is_full_disk(one)]
        return UserError(full_disk(next((one for one in full if getattr(one, "filename", None)), error), Path.cwd()))
    if isinstance(error, OSError) and (refused := _refused_by_system(error)):
        return refused
    if _raised_by(error, "mlflow.exceptions", "MlflowException") and NO_HOST.match(str(error)):
        return UserError(
            "the address of the tracking server names no host: write http://HOST:5000 in MLFLOW_TRACKING_URI or"
            " conf/*/mlflow.yml"
        )
    if _raised_by(error, "mlflow.exceptions", "MlflowException") and (match := NO_ANSWER.match(str(error))):
        return UserError(
            f"the tracking server {match[1]} does not answer ({match[2][:MAX_REASON]}): start it, or correct"
            " MLFLOW_TRACKING_URI or conf/*/mlflow.yml"
        )
    return None


def _refused_by_system(error: OSError) -> UserError | None:
    """The user error that an error of the operating system amounts to, if any."""
    if isinstance(error, FileNotFoundError) and (folder := _takes_no_files(error.filename)):
        return UserError(f"{error.filename}: no file or folder can be made in {folder}; choose another place")
    if error.errno not in REMEDIES:
        return None
    place = f"{error.filename}: " if error.filename else ""  # an error of an open file has no name
    return UserError(f"{place}{error.strerror}; {REMEDIES[error.errno]}")


def _takes_no_files(missing: Any) -> Path | None:
    """The folder in which a path was to be made, if it takes no new files, as those below /proc; otherwise None."""
    if not isinstance(missing, str | os.PathLike):
        return None
    place = next((one for one in Path(missing).absolute().parents if one.is_dir()), Path("/"))
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            return None
    except FileNotFoundError:
        return place
    except OSError:
        return None


def _raised_by(error: BaseException, module: str, name: str) -> bool:
    """Whether an error is of a library's type; the library is not imported, for only an imported one raises errors."""
    library = sys.modules.get(module)
    return library is not None and isinstance(error, getattr(library, name))


def report_user_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: a user error becomes `Error: ...` and exit code 1; every other error keeps its traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as error:
            user_error = as_user_error(error)
            if user_error is None:
                raise
            raise click.ClickException(redact(str(user_error))) from error

    return wrapped


def exit_with_code(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command: an ExitError becomes `Error: ...` and its exit code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ExitError as error:
            click.echo(redact(f"Error: {error}"), err=True)
            sys.exit(error.exit_code)

    return wrapped
