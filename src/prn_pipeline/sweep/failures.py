"""The last failure of a scope's stages: a file beside its reports, which leaderboards read and a success removes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prn_pipeline.data.store.json_files import read_json, write_json
from prn_pipeline.errors import UserError
from prn_pipeline.layout.places import FAILURE, REPORTS
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES, scope_path
from prn_pipeline.processes.secrets import redact


@contextmanager
def record_failure(names: Mapping[str, Any], describe: Callable[[Exception], str]) -> Iterator[None]:
    """Record what the block raises if this process is a stage of DVC; elsewhere the user sees the error.

    Args:
        names: parameters of the run; a stage of DVC has all names of its scope.
        describe: an error as a short text.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(":")[2].partition("@")[0]
    scope = SCOPE_OF.get(stage, "")
    if not scope or not set(SCOPES[scope]) <= set(names):
        yield
        return
    file = _file(Path(os.environ.get("DVC_ROOT", ".")), stage, names)
    try:
        yield
    except Exception as error:
        _write(file, stage, describe(error))
        raise
    file.unlink(missing_ok=True)


def record_failed_stage(address: str, stage: str, names: Mapping[str, Any], output: str, project: Path) -> None:
    """Record a failure that its own process could not: DVC did not start the stage, or the process was killed.

    Args:
        address: DVC's name of the stage.
        stage: a key of `SCOPE_OF`.
        names: those of the stage's scope.
        output: of `dvc repro --single-item`.
        project: root of the repository.
    """
    file = _file(project, stage, names)
    if file.is_file():
        return
    reasons = [line.partition(f"'{address}': ")[2] for line in output.splitlines()]
    ended = re.search(r"exited with (-?\d+)", output)
    if ended:
        message = f"its process ended with {ended[1]}" + (" (killed; out of memory?)" if ended[1] == "-9" else "")
    else:
        message = "; ".join(reason for reason in reasons if reason)
    _write(file, stage, message or "DVC did not start it: see the log of its job")


def clear_failure(stage: str, names: Mapping[str, Any], project: Path) -> None:
    """Remove the recorded failure of a stage that is about to run or is up to date; those of other stages stay."""
    file = _file(project, stage, names)
    if not file.is_file():
        return
    try:
        recorded = read_json(file).get("stage")
    except UserError:  # a damaged record tells nobody anything
        recorded = stage
    if recorded == stage:
        file.unlink()


def _file(project: Path, stage: str, names: Mapping[str, Any]) -> Path:
    return project / REPORTS / scope_path(SCOPE_OF[stage], dict(names)) / FAILURE


def _write(file: Path, stage: str, message: str) -> None:
    failure = {"stage": stage, "message": redact(message), "at": datetime.now(UTC).isoformat(timespec="seconds")}
    write_json(file, failure)
