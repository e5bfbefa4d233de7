"""Data from DVC's remote before a retraining, and results to it afterwards."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage import PipelineStage

from prn_pipeline.errors import UserError
from prn_pipeline.processes.exit_codes import PULL_FAILED, PUSH_FAILED, ExitError
from prn_pipeline.sweep.environment import tool_environment


def pull(project: Path, say: Callable[[str], None]) -> None:
    """Fetch what the remote has, and put it where the project expects it; nothing where no default remote is set.

    `dvc pull` would stop at the first file that it does not know. Here results follow dvc.lock, and a folder of raw
    data in which somebody has put or changed files stays as it is: that is the new data to train with.

    Args:
        project: root of the repository.
        say: a line for people.

    Raises:
        ExitError: the remote cannot be reached, or lacks raw data.
        UserError: DVC cannot read the project.
    """
    stages = _stages(project)
    if stages is None:
        return
    raw, results = stages
    _demand(_dvc(project, "fetch"), "dvc fetch", PULL_FAILED)
    if results:
        _demand(_dvc(project, "checkout", "--allow-missing", "--force", *results), "dvc checkout", PULL_FAILED)
    for source in raw:
        restored = _dvc(project, "checkout", source)
        if restored.returncode == 0:
            continue
        if _dvc(project, "checkout", "--allow-missing", source).returncode == 0:  # the other refusal is of lost data
            _demand(restored, f"dvc checkout {source}", PULL_FAILED)
        say(f"{source}: its data was changed here and is taken as it is; `dvc add` tells others of it")


def push(project: Path) -> None:
    """Send what the remote lacks; nothing where no default remote is set.

    Raises:
        ExitError: the remote does not take it.
        UserError: DVC cannot read the project.
    """
    if _stages(project) is not None:
        _demand(_dvc(project, "push"), "dvc push", PUSH_FAILED)


def _stages(project: Path) -> tuple[list[str], list[str]] | None:
    """Addresses of `dvc add`ed data and of stages, None where no default remote is set."""
    try:
        with contextlib.closing(Repo(str(project))) as repo:
            if not repo.config["core"].get("remote"):
                return None
            stages = repo.index.stages
            raw = [str(Path(stage.path).relative_to(project)) for stage in stages if stage.is_data_source]
            return raw, [stage.name for stage in stages if isinstance(stage, PipelineStage)]
    except DvcException as error:
        raise UserError(f"DVC cannot read {project}: {error}") from error


def _dvc(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["dvc", "--wait-for-lock", *arguments],
        cwd=project,
        env=tool_environment(),
        stdin=subprocess.DEVNULL,  # nobody is there to be asked
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _demand(done: subprocess.CompletedProcess[str], what: str, exit_code: int) -> None:
    if done.returncode:
        raise ExitError(f"{what} failed:\n{done.stdout.strip()}", exit_code)
