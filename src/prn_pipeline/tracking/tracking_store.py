"""The first contact with MLflow's tracking store: made by one process at a time, and its errors in plain words."""

from __future__ import annotations

import glob
import logging
import os
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import LOCKS
from prn_pipeline.processes.locks import file_lock
from prn_pipeline.processes.secrets import redact, remember_secrets
from prn_pipeline.tracking.quiet_imports import quieten_logs

logger = logging.getLogger(__name__)

#: Variable that makes MLflow continue a run.
RUN_ID = "MLFLOW_RUN_ID"
#: Name of the lock of a database, in the folder of locks.
LOCK = "mlflow-database.lock"
#: Schemes of servers, and two addresses that are names only.
SERVERS = ("http", "https", "databricks", "databricks-uc", "uc")
_WHERE = "MLFLOW_TRACKING_URI or conf/*/mlflow.yml names it"


def prepare_tracking_store(uri: str, project: Path) -> None:
    """Create or check the store's tables, if it is a database or a folder; servers do that themselves.

    MLflow creates the tables of a new database step by step, and a second process takes the half that it finds for a
    database of another version. So one process does it, and others wait.

    Args:
        uri: of the tracking store.
        project: root of the project, in whose folder of locks the lock is.

    Raises:
        UserError: the store cannot be used.
    """
    remember_secrets(uri)
    if uri in SERVERS or urlsplit(uri).scheme in SERVERS:
        return
    if "://" not in uri:
        uri = (project / uri).absolute().as_uri()
    _check_address(uri, project)
    with file_lock(project / LOCKS / LOCK) if uri.startswith("sqlite") else nullcontext():
        try:
            if uri.startswith("sqlite"):
                _create_database(make_url(uri).database)
            MlflowClient(uri).search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError) as error:
            raise UserError(_message(uri, error)) from error


def _create_database(file: str | None) -> None:
    """Create a database that does not exist, under a temporary name: MLflow takes seconds and continues no half."""
    if (
        not file
        or file == ":memory:"
        or file.startswith("file:")
        or (Path(file).exists() and Path(file).stat().st_size)
    ):
        return
    path = Path(file).absolute()
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*.partial{glob.escape(path.suffix)}*"):
        left.unlink(missing_ok=True)  # of a process that was killed: this one holds the lock
    quieten_logs()
    with atomic_write(path) as temporary:
        MlflowClient(f"sqlite:///{temporary}").search_experiments(max_results=1)


def forget_left_run_id(uri: str) -> None:
    """Ignore a MLFLOW_RUN_ID that is left over: of a run that has ended, or that the store does not have.

    That of an open run is kept, because an orchestrator starts the MLflow run of its job itself.
    """
    run_id = os.environ.get(RUN_ID)
    if run_id is None:
        return
    try:
        run = MlflowClient(uri).get_run(run_id)
        is_open = run.info.status == RunStatus.to_string(RunStatus.RUNNING) and run.info.lifecycle_stage == "active"
    except MlflowException:
        is_open = False
    if not is_open:
        logger.warning("%s=%s is no open run of the tracking server and is ignored: unset it", RUN_ID, run_id)
        del os.environ[RUN_ID]


def _check_address(uri: str, project: Path) -> None:
    if "?" in str(project) and str(project) in uri:
        raise UserError(
            f"the project's folder {project} has a ? in its name, which the address of its database cannot have:"
            " rename the folder, or export MLFLOW_TRACKING_URI=sqlite:////PATH/mlflow.db with a path of your own"
        )
    scheme, _, rest = uri.partition("://")
    if scheme == "file" and not rest.strip("/"):
        raise UserError(
            f"{uri} is the root of this machine's disks, no place for MLflow runs ({_WHERE}): export"
            " MLFLOW_TRACKING_URI=sqlite:////PATH/mlflow.db, or unset it"
        )


def _message(uri: str, error: Exception) -> str:
    shown, reason = redact(uri), redact(" ".join(str(error).split()))
    if "out-of-date database schema" in reason or "Can't locate revision" in reason:
        return (
            f"{shown} was written by another version of MLflow: make a copy of the database, then run"
            f" `mlflow db upgrade '{shown}'`; if a newer version wrote it, install that version"
        )
    if "already exists" in reason and "CREATE TABLE" in reason:
        return (
            f"{shown} is half a database: MLflow was killed while it created or upgraded it. Restore a copy, or delete"
            " the file if it holds no runs yet"
        )
    if "maintenance mode" in reason:
        return (
            f"{shown} is a folder of files, which MLflow no longer writes ({_WHERE}): use a database such as"
            " sqlite:////PATH/mlflow.db; `mlflow migrate-filestore` moves the runs there"
        )
    return f"the tracking store {shown} cannot be used ({reason[:300]}): correct it; {_WHERE}"
