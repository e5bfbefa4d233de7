"""Which code, data and libraries made a result."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("prn_pipeline", "torch", "segmentation-models-pytorch", "lightning", "kedro")


def provenance(data_identity: str) -> dict[str, str]:
    """Label -> text, for the report of a cell."""
    return {"data identity": data_identity, **software()}


def software(project: Path | None = None) -> dict[str, str]:
    """Label -> text: code and libraries alone."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return {"git commit": git_commit(project), "libraries": libraries, "python": platform.python_version()}


def git_commit(project: Path | None = None) -> str:
    """Commit of the project's repository; "none" where there is no repository or no commit yet."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return found.stdout.strip()
