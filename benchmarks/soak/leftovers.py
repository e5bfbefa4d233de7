"""What nobody may leave behind: temporary files, locks, runs that MLflow believes are running."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from filelock import FileLock, Timeout

from prn_pipeline.layout.places import LOCKS, PROJECT_LOCK

_TEMPORARY = re.compile(r"\.(partial|retired)(\.|$)|^\..*\.lock$|\.tmp$")
#: What DVC and git keep for themselves.
_FOREIGN = (".dvc", ".git", "mlruns")
CHECKPOINTS = Path("data/06_models/checkpoints")


def leftovers(folder: Path) -> list[str]:
    """Temporary files below a folder of results or a project, and what is stuck in the project."""
    below = (file for file in folder.rglob("*") if file.relative_to(folder).parts[0] not in _FOREIGN)
    found = [f"left behind: {file.relative_to(folder)}" for file in below if _TEMPORARY.search(file.name)]
    for place in (CHECKPOINTS, LOCKS):
        found += [f"left behind: {one.relative_to(folder)}" for one in (folder / place).rglob("*") if one.is_file()]
    if (lock := folder / PROJECT_LOCK).exists():
        try:
            FileLock(lock).acquire(timeout=1).lock.release()
        except Timeout:
            found.append(f"stuck: {PROJECT_LOCK}")
    return sorted(set(found)) + running(folder / "mlflow.db")


def running(database: Path) -> list[str]:
    """Runs of MLflow that nobody has ended."""
    if not database.is_file():
        return []
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10) as connection:
        rows = connection.execute("select name from runs where status = 'RUNNING'").fetchall()
    return [f"RUNNING in MLflow: {name}" for (name,) in rows]
