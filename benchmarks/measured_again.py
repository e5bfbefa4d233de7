"""Ratios of two commits, measured in turn on this machine: what has changed is then the code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.history import PROJECT, read
from benchmarks.section_code import code_of

#: How often each commit is measured; of a ratio the best counts, because other work can only make it worse.
ROUNDS = 2

Ratios = dict[str, float]


def same_code(one: str, other: str, section: str) -> bool:
    """Whether two commits agree in all that a section's ratios depend on; False where git does not know one of them."""
    command = ["git", "diff", "--quiet", one, other, "--", *code_of(section)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, check=False).returncode == 0


def measured_again(commits: Sequence[str], sections: Sequence[str], rounds: int = ROUNDS) -> list[Ratios]:
    """The best ratio of each name, for each of the commits, which take turns.

    The packages are those that are installed now, for all commits.

    Raises:
        subprocess.CalledProcessError: git does not know a commit, or its benchmark failed; `stderr` says why.
    """
    with TemporaryDirectory() as place:
        folders = [Path(place) / str(number) for number in range(len(commits))]
        best: list[Ratios] = [{} for _ in commits]
        with _checked_out(commits, folders):
            for _ in range(rounds):
                for folder, found in zip(folders, best, strict=True):
                    for name, ratio in _measure(folder, sections).items():
                        found[name] = max(ratio, found.get(name, 0.0))
        return best


@contextmanager
def _checked_out(commits: Sequence[str], folders: Sequence[Path]) -> Iterator[None]:
    """The trees of the commits in `folders`; git forgets them afterwards."""
    try:
        for commit, folder in zip(commits, folders, strict=True):
            _run(["git", "worktree", "add", "--detach", str(folder), commit], PROJECT)
        yield
    finally:
        for folder in folders:
            command = ["git", "worktree", "remove", "--force", str(folder)]
            subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)


def _measure(folder: Path, sections: Sequence[str]) -> Ratios:
    history, out = folder / "again.jsonl", folder / "again.json"
    history.unlink(missing_ok=True)
    _run(
        [sys.executable, "-m", "benchmarks", *sections, "--ratios", "--history", str(history), "--out", str(out)],
        folder,
    )
    return {one.name: one.ratio for one in read(history)}


def _run(command: Sequence[str], folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "src"), str(folder)])}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
