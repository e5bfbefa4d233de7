"""Provenance of a result: code, data and libraries that made it."""

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
    """Data identity, code and libraries of a run, as label -> text for its report."""
    return {"data identity": data_identity, **software()}


def software(project: Path | None = None) -> dict[str, str]:
    """Code and libraries, as label -> text."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return {"git commit": git_commit(project), "libraries": libraries, "python": platform.python_version()}


def settings_digests(run: Mapping[str, Any], patch_size: int, resolution: str) -> dict[str, str]:
    """Hashes of a run's settings without its seed: runs with equal hashes may be averaged over seeds.

    Args:
        run: the parameters of a run, complete with defaults.
        patch_size: pixels a side, of pseudo-labels and of the patch oracle.
        resolution: "model" or "native", at which masks are compared.

    Returns:
        `base_model`: the settings that determine a base model and its scores; `refiner`: those that a refiner adds.
        Each has 12 hexadecimal digits.
    """
    parts = {
        "base_model": [run["dataset"], run["base_model"], run["base_training"], patch_size, resolution],
        "refiner": [run["refiner"], run["prn_training"]],
    }
    return {
        part: hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:12] for part, of in parts.items()
    }


def git_commit(project: Path | None = None) -> str:
    """Commit of the project's repository; "none" if there is no repository or no commit."""
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return found.stdout.strip()
