"""Data from DVC's remote before a retraining, and results to it afterwards."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import PipelineStage

from prn_pipeline.processes.exit_codes import PULL_FAILED, PUSH_FAILED, ExitError
from prn_pipeline.sweep.dvc_lock import unreadable
from prn_pipeline.sweep.environment import tool_environment


def pull(project: Path, echo: Callable[[str], None]) -> None:
    """Fetch data and results from the default remote and check them out; do nothing if no default remote is set.

    `dvc pull` would stop at the first file that it does not know. Here results follow dvc.lock. A folder of raw data
    in which files were added or changed stays as it is: it is the new data to train with.

    Args:
        project: root of the repository.
        echo: prints a line.

    Raises:
        ExitError: the remote cannot be reached, or lacks raw data (`PULL_FAILED`).
        UserError: DVC cannot read the project.
    """
    stages = _stages(project)
    if stages is None:
        return
    raw, results = stages
    _require(_dvc(project, "fetch"), "dvc fetch", PULL_FAILED)
    if results:
        _require(_dvc(project, "checkout", "--allow-missing", "--force", *results), "dvc checkout", PULL_FAILED)
    for source in raw:
        restored = _dvc(project, "checkout", source)
        if restored.returncode == 0:
            continue
        # DVC refuses changed data with and without --allow-missing, and lost data only without it.
        if _dvc(project, "checkout", "--allow-missing", source).returncode == 0:
            _require(restored, f"dvc checkout {source}", PULL_FAILED)
        echo(f"{source}: its data was changed here and is used as it is; run `dvc add` to share it")


def push(project: Path) -> None:
    """Send data and results to the default remote; do nothing if no default remote is set.

    Raises:
        ExitError: the remote cannot be written (`PUSH_FAILED`).
        UserError: DVC cannot read the project.
    """
    if _stages(project) is not None:
        _require(_dvc(project, "push"), "dvc push", PUSH_FAILED)


def _stages(project: Path) -> tuple[list[str], list[str]] | None:
    """.dvc files of raw data, and addresses of stages; None if no default remote is set."""
    try:
        with contextlib.closing(Repo(str(project))) as repo:
            if not repo.config["core"].get("remote"):
                return None
            stages = repo.index.stages
            raw = [str(Path(stage.path).relative_to(project)) for stage in stages if stage.is_data_source]
            return raw, [stage.name for stage in stages if isinstance(stage, PipelineStage)]
    except (DvcException, UnicodeDecodeError) as error:
        raise unreadable(project, error) from error


def _dvc(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["dvc", "--wait-for-lock", *arguments],
        cwd=project,
        env=tool_environment(),
        stdin=subprocess.DEVNULL,  # DVC must not ask questions that nobody answers
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _require(done: subprocess.CompletedProcess[str], command: str, exit_code: int) -> None:
    if done.returncode:
        raise ExitError(f"{command} failed:\n{done.stdout.strip()}", exit_code)
