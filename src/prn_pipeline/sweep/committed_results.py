"""The committed results in benchmarks/results: one scores JSON per run, and the dvc.lock of the runs that have one."""

from __future__ import annotations

import difflib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prn_pipeline.layout.scopes import SCOPES

RESULTS = Path("benchmarks/results")
COMMITTED_LOCK = RESULTS / "dvc.lock"


class UnknownRunError(Exception):
    """No committed run has this name; the message has the closest one."""


@dataclass(frozen=True)
class CommittedRun:
    """A run with committed scores.

    Attributes:
        name: path of its scores JSON below benchmarks/results, without suffix: `drive/unet_resnet18/prn/seed-0`.
        scores: the file.
    """

    name: str
    scores: Path

    @property
    def names(self) -> dict[str, Any]:
        """dataset, base_model, refiner and seed; folders above the data set (another machine) are left out."""
        *folders, seed = self.name.split("/")[-len(SCOPES["run"]) :]
        return dict(zip(SCOPES["run"], [*folders, int(seed.removeprefix("seed-"))], strict=True))


def committed_runs(project: Path) -> dict[str, CommittedRun]:
    """Name -> run, in alphabetical order."""
    root = project / RESULTS
    files = sorted(root.glob("**/*/*/*/seed-*.json"))
    return {name: CommittedRun(name, file) for file in files for name in [_name(file, root)]}


def find_run(text: str, project: Path) -> CommittedRun:
    """The committed run that a user names.

    Args:
        text: name of the run, or path of its scores JSON.
        project: root of the repository.

    Raises:
        UnknownRunError: there is none; the message has the closest name.
    """
    runs = committed_runs(project)
    root = (project / RESULTS).resolve()
    path = Path(text).resolve()
    name = _name(path, root) if path.is_relative_to(root) else text.strip("/").removesuffix(".json")
    if name in runs:
        return runs[name]
    near = difflib.get_close_matches(name, runs, n=1, cutoff=0.0)
    hint = f"did you mean {near[0]}?" if near else f"{project / RESULTS} has no scores"
    raise UnknownRunError(f"no committed run {name!r}; {hint}")


def changed_since_lock(path: str, project: Path) -> tuple[str, ...]:
    """Files at or below a path that differ from the commit that last changed the committed lock, as git lists them."""
    commit = _git(project, "log", "-1", "--format=%H", "--", str(COMMITTED_LOCK)).strip()
    return tuple(_git(project, "diff", "--name-only", commit, "--", path).splitlines()) if commit else ()


def _git(project: Path, *arguments: str) -> str:
    """Output of git; empty if it fails."""
    return subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, check=False).stdout


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix().removesuffix(".json")
