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

from prn_pipeline.benchmark.lists import Lists, stage_addresses
from prn_pipeline.data.atomic import replacing
from prn_pipeline.scopes import FAILURE, SCOPE_OF, SCOPES, scope_path

REPORTS = Path("data/08_reporting")
#: How DVC lists, in the end, the stages that have failed or could not be started; and what else is no reason for it.
FAILED = "ERROR: failed to reproduce "
NO_REASON = ("will be skipped due to", "failed to run: ")


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


def note_unstarted(log: str, lists: Lists, project: Path) -> None:
    """Note the stages that DVC could not even start: an input or a parameter is missing.

    Args:
        log: what one `dvc repro` said.
        lists: of the benchmark.
        project: root of the repository.
    """
    stages = stage_addresses(lists)
    lines = [line.strip() for line in log.splitlines() if line.startswith(("WARNING: ", "ERROR: "))]
    failed = [line for line in lines if line.startswith(FAILED)]
    reasons = [line for line in lines if line not in failed and not any(words in line for words in NO_REASON)]
    message = "; ".join(line.partition(": ")[2] for line in dict.fromkeys(reasons))
    for address in re.findall(r"'([^']+)'", " ".join(failed)):
        stage, names = stages.get(address.rpartition(":")[2], ("", {}))
        if stage and not (file := _file(project, stage, names)).is_file():
            _note(file, stage, message or "DVC did not start it: see the log of its job")


def _file(project: Path, stage: str, names: Mapping[str, Any]) -> Path:
    return project / REPORTS / scope_path(SCOPE_OF[stage], dict(names)) / FAILURE


def _note(file: Path, stage: str, message: str) -> None:
    found = {"stage": stage, "message": message, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")
