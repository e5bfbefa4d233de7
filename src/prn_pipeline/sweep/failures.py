"""What went wrong when DVC last ran a stage: a file beside the reports of its scope, gone when one succeeds."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prn_pipeline.data.store.atomic import atomic_write
from prn_pipeline.layout.places import FAILURE, REPORTS
from prn_pipeline.layout.scopes import SCOPE_OF, SCOPES, scope_path


@contextmanager
def noting_failure(names: Mapping[str, Any], describe: Callable[[Exception], str]) -> Iterator[None]:
    """Note what is raised inside, where this process is a stage of DVC; elsewhere its caller sees it anyway.

    Args:
        names: parameters of the run; DVC's stages name all that their scope needs.
        describe: an error in a few words.
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
        _note(file, stage, describe(error))
        raise
    file.unlink(missing_ok=True)


def note_failed_stage(address: str, stage: str, names: Mapping[str, Any], said: str, project: Path) -> None:
    """Note a stage that has failed without a word of its own: DVC did not start it, or its process was killed.

    Args:
        address: what DVC calls the stage.
        stage: its name.
        names: of its scope.
        said: by `dvc repro --single-item`.
        project: root of the repository.
    """
    file = _file(project, stage, names)
    if file.is_file():
        return
    reasons = [line.partition(f"'{address}': ")[2] for line in said.splitlines()]
    ended = re.search(r"exited with (-?\d+)", said)
    if ended:
        message = f"its process ended with {ended[1]}" + (" (killed; out of memory?)" if ended[1] == "-9" else "")
    else:
        message = "; ".join(reason for reason in reasons if reason)
    _note(file, stage, message or "DVC did not start it: see the log of its job")


def forget_failure(stage: str, names: Mapping[str, Any], project: Path) -> None:
    """It is about to run again, or up to date."""
    file = _file(project, stage, names)
    if file.is_file() and json.loads(file.read_text()).get("stage") == stage:
        file.unlink()


def _file(project: Path, stage: str, names: Mapping[str, Any]) -> Path:
    return project / REPORTS / scope_path(SCOPE_OF[stage], dict(names)) / FAILURE


def _note(file: Path, stage: str, message: str) -> None:
    found = {"stage": stage, "message": message, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    with atomic_write(file) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")
