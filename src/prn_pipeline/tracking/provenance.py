"""Which code, data and libraries made a result."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = ("prn_pipeline", "torch", "segmentation-models-pytorch", "lightning", "kedro")


def provenance(data_identity: str) -> dict[str, str]:
    """Label -> text, for the report of a run."""
    return {"data identity": data_identity, **software()}


def software(project: Path | None = None) -> dict[str, str]:
    """Label -> text: code and libraries alone."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return {"git commit": git_commit(project), "libraries": libraries, "python": platform.python_version()}


def settings_digests(run: Mapping[str, Any], patch_size: int, resolution: str) -> dict[str, str]:
    """By which runs know each other: equal where settings are, of whatever seed.

    Args:
        run: the parameters of a run, complete with defaults.
        patch_size: of pseudo-labels and of the patch oracle.
        resolution: that masks are compared at.

    Returns:
        `base_model` for all that a base model and its scores come from, `refiner` for what a refiner adds.
    """
    parts = {
        "base_model": [run["dataset"], run["base_model"], run["base_training"], patch_size, resolution],
        "refiner": [run["refiner"], run["prn_training"]],
    }
    return {
        part: hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:12] for part, of in parts.items()
    }


def git_commit(project: Path | None = None) -> str:
    """Commit of the project's repository; "none" where there is no repository or no commit yet."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return found.stdout.strip()
