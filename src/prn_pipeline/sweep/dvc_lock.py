"""dvc.lock: what DVC recorded when it last ran each stage."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from prn_pipeline.errors import UserError

LOCK = "dvc.lock"


def read_lock(file: Path) -> dict[str, dict[str, Any]]:
    """Address of each recorded stage -> its `cmd`, `deps`, `params` and `outs`.

    Empty where the file is missing, or cannot be parsed because another process is writing it.
    """
    try:
        loaded = yaml.load(file.read_text(), yaml.CSafeLoader) if file.is_file() else None
        return dict((loaded or {}).get("stages") or {})
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, OSError):  # DVC itself says what is wrong with it
        return {}


def unreadable(project: Path, error: Exception) -> UserError:
    """What DVC cannot read in a project, and what a user does about it where that is dvc.lock or a stage that runs."""
    from dvc.lock import LockError  # imported here because reading a lock file needs nothing of DVC

    if isinstance(error, LockError):
        running = re.findall(r"\(PID (\d+)\)", str(error))
        found = f"a stage is running there (process {running[0]})" if running else "another process is using it"
        return UserError(f"DVC cannot read {project}: {found}: try again when it has ended")
    remedy = ""
    if "not a git repository" in str(error):
        remedy = ". Run `git init` there, or let DVC work without git: `dvc config --local core.no_scm true`"
    if LOCK in str(error) or not _is_text(project / LOCK):
        remedy = f". Restore it with `git checkout {LOCK}`, or delete {LOCK}: `prn benchmark` writes it again"
    return UserError(f"DVC cannot read {project}: {error}{remedy}")


def _is_text(lock: Path) -> bool:
    try:
        lock.read_text()
    except UnicodeDecodeError:
        return False
    except OSError:  # there is none; DVC itself names the file if it is a folder
        return True
    return True
