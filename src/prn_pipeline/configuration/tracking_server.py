"""Tracking server and experiment of a project, read without a Kedro session."""

from __future__ import annotations

from pathlib import Path

from kedro.config import OmegaConfigLoader

from prn_pipeline.configuration.loader_arguments import LOADER_ARGS
from prn_pipeline.processes.secrets import remember_secrets


def tracking_settings(project: Path) -> dict[str, str]:
    """`uri` of the tracking server and name of the `experiment`, from mlflow.yml and the environment."""
    environment = "local" if (project / "conf" / "local").is_dir() else "base"  # git does not keep an empty folder
    config = OmegaConfigLoader(str(project / "conf"), **LOADER_ARGS | {"default_run_env": environment})["mlflow"]
    remember_secrets(str(config["server"]["mlflow_tracking_uri"]))
    return {"uri": config["server"]["mlflow_tracking_uri"], "experiment": config["tracking"]["experiment"]["name"]}
