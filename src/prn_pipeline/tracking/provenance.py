"""Provenance of a result: code, data and libraries that made it."""

import hashlib
import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from prn_pipeline.processes.secrets import redact

LIBRARIES = ("prn_pipeline", "torch", "segmentation-models-pytorch", "lightning", "kedro")


def provenance(data_identity: str) -> dict[str, str]:
    """When, where and how a report was made, as label -> text: `made`, `machine`, command, data, code, libraries."""
    return {
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": machine(),
        "command": redact(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        **({"MLflow run": run} if (run := active_mlflow_run()) else {}),
        "data identity": data_identity,
        **software(),
    }


def active_mlflow_run() -> str:
    """Address of the active MLflow run on its server, or its id and the command that shows it; "" if there is none."""
    mlflow = sys.modules.get("mlflow")
    active = mlflow.active_run() if mlflow is not None else None
    if mlflow is None or active is None:
        return ""
    uri = redact(str(mlflow.get_tracking_uri()))
    if uri.startswith(("http://", "https://")):
        return f"{uri.rstrip('/')}/#/experiments/{active.info.experiment_id}/runs/{active.info.run_id}"
    return f"{active.info.run_id} (mlflow ui --backend-store-uri {uri})"


def machine() -> str:
    """Processor, cores and memory of this machine, and its GPU if PyTorch has been asked for one."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else ""
    parts = [
        processor(),
        f"{psutil.cpu_count()} cores",
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        gpu,
    ]
    return ", ".join(part for part in parts if part)


def processor() -> str:
    """Name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


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
